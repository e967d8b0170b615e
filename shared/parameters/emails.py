"""E-mail addresses, as browsers take them in forms."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
# RFC 5321, section 4.5.3.1.3, less the angle brackets of a path.
_LONGEST_EMAIL = 254


def check_email(value: str) -> str:
    """The text, if it is an address; a refusal for pydantic else."""
    if len(value) > _LONGEST_EMAIL or _EMAIL.fullmatch(value) is None:
        raise PydanticCustomError("email", "Input should be an e-mail address")
    return value
