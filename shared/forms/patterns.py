"""Regular expressions in forms: which of them can be used."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic_core import SchemaError


def is_usable_pattern(pattern: str) -> bool:
    """Whether a pattern is a regular expression without look-around and back references: one whose time grows only
    with the text's length, whoever wrote the text.
    """
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return False
    return True
