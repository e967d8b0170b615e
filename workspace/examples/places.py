"""Two data providers, the second of which depends on the first: choose a country, then one of its cities.

In a form the second field binds `country` to the first. A provider that takes `search` and `limit` gets what a user has
typed so far, and how many options are wanted, so that a list of thousands never leaves the server whole.
"""

from shared.decorators import data_provider, param
from shared.errors import UserError

COUNTRIES = {"at": "Austria", "de": "Germany", "fr": "France"}
CITIES = {
    "at": ["Graz", "Linz", "Salzburg", "Vienna"],
    "de": ["Berlin", "Cologne", "Hamburg", "Leipzig", "Munich"],
    "fr": ["Bordeaux", "Lyon", "Marseille", "Paris"],
}


@data_provider(
    name="countries", description="Countries that we deliver to", category="Examples", cache_ttl_seconds=3600
)
def countries() -> list[tuple[str, str]]:
    # Pairs are (value, label).
    return list(COUNTRIES.items())


@data_provider(name="cities", description="Cities of a country", category="Examples", cache_ttl_seconds=3600)
@param("country", type="string", label="Country", required=True, data_provider="countries")
@param("search", type="string", label="Part of the name")
@param("limit", type="int", label="How many", default_value=50, validation={"min": 1, "max": 500})
async def cities(country: str, search: str | None = None, limit: int = 50) -> list[str]:
    if country not in CITIES:
        raise UserError(f"We do not deliver to {country!r}")
    # A text is value and label at once.
    return [city for city in CITIES[country] if (search or "").lower() in city.lower()][:limit]
