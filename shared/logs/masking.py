"""Secret values, replaced by `••••` wherever they would be kept or shown, also where they were encoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import quote, quote_plus

MASK = "••••"
# Shorter ones would be found in all kinds of text that has nothing to do with them.
SHORTEST_SECRET = 6
_MOST_SECRETS = 2000


class SecretMask:
    """Knows secret values, and takes them out of texts. Any thread may add one while others mask.

    Args:
        secrets: those known from the beginning.
        besides: another mask, whose secrets are taken out too, those of later as well.
    """

    def __init__(self, secrets: Iterable[str] = (), besides: SecretMask | None = None) -> None:
        self._besides = besides
        self._secrets: dict[str, tuple[str, ...]] = {}
        self._variants: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    @property
    def empty(self) -> bool:
        """Whether it knows no secret, so that nothing need be handed to it."""
        return not self._variants and (self._besides is None or self._besides.empty)

    def add(self, secret: str) -> None:
        """Adds a secret; one that is shorter than six characters is not masked. What is known stays known: a run may
        still hold the value that was replaced.
        """
        if secret in self._secrets or len(secret) < SHORTEST_SECRET:
            return
        known = {**self._secrets, secret: tuple(_variants_of(secret))}
        while len(known) > _MOST_SECRETS:
            del known[next(iter(known))]
        self._secrets = known
        # The longest first: one secret may be a part of another.
        self._variants = tuple(sorted({variant for found in known.values() for variant in found}, key=len)[::-1])

    def text(self, text: str) -> str:
        """The text without the secrets."""
        for variant in self._variants:
            if variant in text:
                text = text.replace(variant, MASK)
        return text if self._besides is None else self._besides.text(text)

    def json(self, value: Any) -> Any:
        """The JSON value without the secrets, in keys as in values; the same object when there are none in it."""
        if self.empty:
            return value
        whole = json.dumps(value, ensure_ascii=False)
        return self._walk(value) if self._is_in(whole) else value

    def raw(self, content: bytes) -> bytes:
        """The bytes without the secrets, as UTF-8 has them."""
        for variant in self._variants:
            content = content.replace(variant.encode("utf-8", "surrogatepass"), MASK.encode())
        return content if self._besides is None else self._besides.raw(content)

    def _is_in(self, text: str) -> bool:
        is_here = any(variant in text for variant in self._variants)
        return is_here or (self._besides is not None and self._besides._is_in(text))

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._walk(item) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {self.text(key): self._walk(item) for key, item in cast("dict[str, Any]", value).items()}
        return value


NOTHING_SECRET = SecretMask()
"""For runs that know no secrets; none is ever added."""


def _variants_of(secret: str) -> Iterable[str]:
    # A key in PEM, say, is printed line by line.
    for part in {secret, *(line for line in secret.split("\n") if len(line) >= SHORTEST_SECRET)}:
        yield part
        yield quote(part)
        yield quote(part, safe="")
        yield quote_plus(part)
        yield repr(part)[1:-1]
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
    yield from _in_base64(secret.encode("utf-8", "surrogatepass"))


def _in_base64(content: bytes) -> Iterable[str]:
    """What is the same in any base64 text with this content in it, at each of the three places it can begin at."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + content).decode()
        # Six bits a character: the first that no bit before has a part in, the last that no bit behind has.
        first, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        yield encoded[first:end]
        yield encoded[first:end].replace("+", "-").replace("/", "_")
