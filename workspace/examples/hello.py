"""The smallest workflow worth having: one function, one answer."""

from shared.context import ExecutionContext
from shared.decorators import param, workflow


@workflow(
    name="hello",
    description="Greets a person",
    category="Examples",
    tags=["demo"],
    execution_mode="sync",
    timeout_seconds=60,
)
@param("name", type="string", label="Name", required=True, validation={"min_length": 1, "max_length": 80})
@param("language", type="string", label="Language", validation={"enum": ["en", "de", "fr"]}, default_value="en")
async def hello(context: ExecutionContext, name: str, language: str = "en") -> dict[str, str]:
    greeting = {"en": "Hello", "de": "Guten Tag", "fr": "Bonjour"}[language]
    context.info("Greeting somebody", language=language)
    return {"greeting": f"{greeting}, {name}!"}
