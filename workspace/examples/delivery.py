"""A form's target: `python3 -m dev start` offers a form for it, with two dropdowns filled by `places.py`."""

from examples.places import CITIES

from shared.context import ExecutionContext
from shared.decorators import param, workflow
from shared.errors import UserError


@workflow(
    name="order_delivery",
    description="Orders a delivery to one of our cities",
    category="Examples",
    tags=["form"],
    execution_mode="sync",
    timeout_seconds=60,
)
@param("customer", type="string", label="Customer", required=True, validation={"min_length": 1, "max_length": 80})
@param("country", type="string", label="Country", required=True, data_provider="countries")
@param("city", type="string", label="City", required=True, data_provider="cities")
@param("express", type="bool", label="Express", default_value=False)
@param("phone", type="string", label="Telephone")
async def order_delivery(
    context: ExecutionContext, customer: str, country: str, city: str, express: bool = False, phone: str | None = None
) -> dict[str, object]:
    # A form checks what is chosen; whoever calls the workflow directly may send anything.
    if city not in CITIES.get(country, []):
        raise UserError(f"We do not deliver to {city!r} in {country!r}")
    context.info("Ordering a delivery", country=country, city=city, express=express)
    return {"customer": customer, "to": f"{city}, {country.upper()}", "days": 1 if express else 3, "call": phone}


@workflow(
    name="delivery_defaults",
    description="What the form begins with",
    category="Examples",
    execution_mode="sync",
    timeout_seconds=10,
)
async def delivery_defaults(context: ExecutionContext, country: str = "de") -> dict[str, str]:
    return {"customer": context.name, "country": country}


@workflow(name="take_document", description="Takes a file from a form", category="Examples", execution_mode="sync")
@param("document", type="json", label="Document", required=True)
async def take_document(context: ExecutionContext, document: dict[str, object]) -> dict[str, object]:
    # `await context.read_file(document)` gives the file itself.
    context.info("Got a document", name=document["name"], size=document["size"])
    return document
