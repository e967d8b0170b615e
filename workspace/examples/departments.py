"""One function with both tags: a dropdown's options, and a workflow that can be called for the same list."""

from shared.decorators import data_provider, workflow


@workflow(name="departments", description="The departments of the company", category="Examples", execution_mode="sync")
@data_provider(name="departments", cache_ttl_seconds=3600)
def departments(search: str = "") -> list[dict[str, str]]:
    names = {"fin": "Finance", "hr": "Human resources", "it": "Information technology", "ops": "Operations"}
    return [{"label": name, "value": key} for key, name in names.items() if search.lower() in name.lower()]
