"""A data provider: the options of a dropdown, kept for ten minutes."""

from shared.decorators import data_provider, param


@data_provider(name="licences", description="Licences that can be booked", category="Examples", cache_ttl_seconds=600)
@param("minimum_seats", type="int", label="Seats needed", default_value=0, validation={"min": 0})
async def licences(minimum_seats: int = 0) -> list[dict[str, object]]:
    catalogue = {"free": 5, "team": 50, "business": 500}
    return [
        {"label": f"{name.title()} (up to {seats} seats)", "value": name, "metadata": {"seats": seats}}
        for name, seats in catalogue.items()
        if seats >= minimum_seats
    ]
