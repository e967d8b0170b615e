"""A function's parameters as JSON Schema, for those who call it from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

from pydantic import TypeAdapter

from shared.models.results import EndpointResponse
from shared.parameters.signatures import read_signature, returned_type
from shared.parameters.types import value_type
from shared.registry import FunctionMetadata, WorkflowParameter, in_words
from shared.serialization import to_json

Schema = dict[str, Any]

# For a class that pydantic can read and not describe, what `@param` says of it is left.
_PLAIN: dict[str, Schema] = {
    "string": {"type": "string"},
    "email": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "json": {},
    "list": {"type": "array", "items": {}},
}


def parameter_schema(parameter: WorkflowParameter) -> Schema:
    """The values that a parameter takes, with its rules, its default and what a form shows of it."""
    adapter = TypeAdapter[Any](value_type(parameter))
    try:
        schema = inlined(adapter.json_schema(mode="validation"))
    except Exception:  # noqa: BLE001 - a class of the author's may raise anything here
        schema = dict(_PLAIN[parameter.type])
    if parameter.type == "email":
        schema["format"] = "email"
    choices = (parameter.validation or {}).get("enum")
    if choices is not None:
        listed = {"enum": to_json(list(choices))}
        schema = {**schema, "items": listed} if parameter.type == "list" else {**schema, **listed}
    if parameter.label != in_words(parameter.name):
        schema["title"] = parameter.label
    if parameter.help_text:
        schema["description"] = parameter.help_text
    if parameter.has_default and parameter.default_value is not None and _fits(adapter, parameter.default_value):
        schema["default"] = to_json(parameter.default_value)
    return schema


def _fits(adapter: TypeAdapter[Any], value: Any) -> bool:
    """Whether a caller could send the value, too: Python fills in a signature's default whatever it is."""
    try:
        adapter.validate_python(value)
    except Exception:  # noqa: BLE001 - a validator of the author's own may raise anything
        return False
    return True


def parameters_of(metadata: FunctionMetadata) -> tuple[Sequence[WorkflowParameter], bool]:
    """The parameters of a function, and whether it takes others besides."""
    assert metadata.function is not None
    signature = read_signature(metadata.function)
    return metadata.parameters or signature.parameters, signature.accepts_extra


def parameters_schema(metadata: FunctionMetadata) -> Schema:
    """All of a function's parameters as the object that a call gives."""
    parameters, takes_others = parameters_of(metadata)
    required = [parameter.name for parameter in parameters if is_required(parameter)]
    return {
        "type": "object",
        "properties": {parameter.name: parameter_schema(parameter) for parameter in parameters},
        **({"required": required} if required else {}),
        "additionalProperties": takes_others,
    }


def is_required(parameter: WorkflowParameter) -> bool:
    """Whether a call without it is refused."""
    return parameter.required and (not parameter.has_default or parameter.default_from_signature)


def may_return_response(metadata: FunctionMetadata) -> bool:
    """Whether the function may return an `EndpointResponse`, by what its annotation says."""
    assert metadata.function is not None
    found = returned_type(metadata.function)
    return found in (Any, object) or _mentions(found)


def _mentions(annotation: Any) -> bool:
    return annotation is EndpointResponse or any(map(_mentions, get_args(annotation)))


def inlined(schema: Schema) -> Schema:
    """The schema without `$defs`, which have no place inside of an OpenAPI document; a class within itself is any.

    What stands beside a `$ref`, such as a default, belongs to the place and stays.
    """
    shared = cast("dict[str, Schema]", schema.pop("$defs", {}))

    def replaced(part: Any, inside: Sequence[str]) -> Any:
        if isinstance(part, list):
            return [replaced(item, inside) for item in cast("list[Any]", part)]
        if not isinstance(part, dict):
            return part
        own = {name: replaced(item, inside) for name, item in cast("Schema", part).items()}
        reference = own.get("$ref")
        if not isinstance(reference, str):
            return own
        del own["$ref"]
        name = reference.removeprefix("#/$defs/")
        return own if name in inside else replaced(shared[name], [*inside, name]) | own

    return replaced(schema, [])
