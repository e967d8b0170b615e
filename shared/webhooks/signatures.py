"""How senders of webhooks prove who they are, and whether a request does: for `verify=` and `shared.webhooks` alike.

A declaration is `KIND:NAME` or `KIND:{json}`. `NAME` is the configuration value of type secret_ref that holds the
secret; the JSON has it as `secret`, and may say otherwise whatever the kind says (docs/webhooks.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlsplit

from shared.errors import DefinitionError

_ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")
_ENCODINGS = ("hex", "base64")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_FORM = "application/x-www-form-urlencoded"
_SECRET = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_QUERY = re.compile(r"[A-Za-z0-9_.~-]{1,100}")
_PART = re.compile(r"\{(\w*)\}")
_PARTS = ("body", "timestamp", "url", "form")
# Seconds since 1970, or milliseconds.
_MOMENT = re.compile(r"[0-9]{1,13}")
_MILLISECOND_DIGITS = 13
# While a secret is changed, senders sign with each that is valid.
_MOST_SIGNATURES = 10
_MOST_FIELDS = 1000
_LONGEST_TOLERANCE = 86_400

# What a kind says where its declaration says nothing. `pairs` names the time and the signature in a header such as
# `t=1,v1=ab`.
_KINDS: dict[str, dict[str, Any]] = {
    "github": {"header": "X-Hub-Signature-256", "prefix": "sha256="},
    "stripe": {
        "header": "Stripe-Signature", "pairs": ("t", "v1"), "signed": "{timestamp}.{body}", "tolerance": 300
    },
    "slack": {
        "header": "X-Slack-Signature", "prefix": "v0=", "signed": "v0:{timestamp}:{body}",
        "timestamp": "X-Slack-Request-Timestamp", "tolerance": 300,
    },
    "shopify": {"header": "X-Shopify-Hmac-Sha256", "encoding": "base64"},
    "twilio": {"header": "X-Twilio-Signature", "algorithm": "sha1", "encoding": "base64", "signed": "{url}{form}"},
    "trello": {"header": "X-Trello-Webhook", "algorithm": "sha1", "encoding": "base64", "signed": "{body}{url}"},
    "hmac": {},
    "token": {},
}  # fmt: skip
_OF_HMAC = ("secret", "header", "algorithm", "encoding", "prefix", "signed", "timestamp", "tolerance", "url", "methods")
_OF_TOKEN = ("secret", "header", "query", "prefix", "methods")


class SignatureRefusedError(Exception):
    """The request does not prove who sent it; the message says what is wrong, and nothing of the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How a request proves who sent it.

    Attributes:
        kind: as it was declared.
        secret: the key of the configuration value that holds the secret.
        header: where the signature, or the token, is; None for a token in the query.
        query: the query parameter that the token is in.
        algorithm, encoding: of the HMAC.
        prefix: stands before the signature.
        signed: what is signed, with `{body}`, `{timestamp}`, `{url}` and `{form}` in it.
        timestamp: the header with the time of the signature.
        tolerance: how many seconds that time may be from now; None for any.
        url: the address that its sender calls, without its query; None for the one that was called.
        methods: those that must be proven; a request by another one is let in without.
        pairs: the names of time and signature, where the header has both.
    """

    kind: str
    secret: str
    header: str | None = None
    query: str | None = None
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp: str | None = None
    tolerance: float | None = None
    url: str | None = None
    methods: tuple[str, ...] = _METHODS
    pairs: tuple[str, str] | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that a request must have."""
        return tuple(name for name in (self.header, self.timestamp) if name is not None)

    def check(
        self, secret: str, headers: Mapping[str, str], body: bytes, url: str = "", now: float | None = None
    ) -> None:
        """Checks a request.

        Args:
            secret: what its sender shares with us.
            headers: names in lower case.
            body: as it came.
            url: the whole address that was called.
            now: seconds since 1970; left out, the present.

        Raises:
            SignatureRefusedError: the proof is missing, wrong, or too old.
            ValueError: the secret is empty.
        """
        if not secret:
            raise ValueError("The webhook's secret is empty; anybody could sign with it")
        if self.kind == "token":
            self._check_token(secret, headers, url)
            return
        found = headers.get((self.header or "").lower())
        if found is None:
            raise SignatureRefusedError("The webhook's signature is missing")
        given, moment = self._read(found, headers)
        for address in self._addresses(url):
            expected = self._signature(secret, self._content(body, moment, address, headers))
            # Each comparison takes a time that says nothing about how much of it is right.
            if any(hmac.compare_digest(expected, one) for one in given):
                break
        else:
            raise SignatureRefusedError("The webhook's signature is wrong")
        present = time.time() if now is None else now
        if self.tolerance is not None and abs(present - _seconds(moment)) > self.tolerance:
            raise SignatureRefusedError("The webhook's signature is too old")

    def _check_token(self, secret: str, headers: Mapping[str, str], url: str) -> None:
        if self.query is not None:
            values = parse_qs(urlsplit(url).query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
            given = values.get(self.query, [])
        else:
            given = [value for name, value in headers.items() if name == (self.header or "").lower()]
        if not given:
            raise SignatureRefusedError("The webhook's token is missing")
        expected = (self.prefix + secret).encode("utf-8", "surrogatepass")
        if not all(hmac.compare_digest(expected, one.encode("utf-8", "surrogatepass")) for one in given):
            raise SignatureRefusedError("The webhook's token is wrong")

    def _read(self, found: str, headers: Mapping[str, str]) -> tuple[list[bytes], str]:
        """The signatures in the header, and the time that they are said to be of."""
        if self.pairs is not None:
            parts = [part.strip().partition("=") for part in found.split(",")]
            moments = [value for name, _, value in parts if name == self.pairs[0]]
            texts = [value for name, _, value in parts if name == self.pairs[1]][:_MOST_SIGNATURES]
        else:
            moments = [headers.get(self.timestamp.lower(), "")] if self.timestamp is not None else [""]
            texts = [found.strip()]
        timed = "{timestamp}" in self.signed
        if len(moments) != 1 or (timed and not _MOMENT.fullmatch(moments[0])):
            raise SignatureRefusedError("The webhook's signature is wrong")
        given = [text.removeprefix(self.prefix) for text in texts if text.startswith(self.prefix)]
        return [text.encode("utf-8", "surrogatepass") for text in given], moments[0]

    def _addresses(self, url: str) -> list[str]:
        """The addresses that may have been signed."""
        if "{url}" not in self.signed:
            return [url]
        base, _, query = url.partition("?")
        # In front of the app TLS has ended, and its sender has called https.
        bases = [self.url] if self.url is not None else [base, re.sub("^http:", "https:", base)]
        return [f"{known}?{query}" if query else known for known in dict.fromkeys(bases)]

    def _content(self, body: bytes, moment: str, url: str, headers: Mapping[str, str]) -> bytes:
        pieces: list[bytes] = []
        for index, piece in enumerate(_PART.split(self.signed)):
            if index % 2 == 0:
                pieces.append(piece.encode())
            elif piece == "body":
                pieces.append(body)
            elif piece == "timestamp":
                pieces.append(moment.encode())
            elif piece == "url":
                pieces.append(url.encode("utf-8", "surrogatepass"))
            else:
                pieces.append(_form_text(body, url, headers))
        return b"".join(pieces)

    def _signature(self, secret: str, content: bytes) -> bytes:
        digest = hmac.new(secret.encode("utf-8", "surrogatepass"), content, self.algorithm).digest()
        return binascii.hexlify(digest) if self.encoding == "hex" else base64.b64encode(digest)


def _seconds(moment: str) -> float:
    return int(moment) / (1000 if len(moment) == _MILLISECOND_DIGITS else 1)


def _form_text(body: bytes, url: str, headers: Mapping[str, str]) -> bytes:
    """Names and values of a form, sorted; of any other body nothing, when the address has its SHA-256."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        try:
            # Bytes that are no UTF-8 come through as they are, too.
            text = body.decode("utf-8", "surrogateescape")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="surrogateescape")
        except ValueError:
            raise SignatureRefusedError(f"The form has more than {_MOST_FIELDS} fields") from None
        return "".join(name + value for name, value in sorted(set(pairs))).encode("utf-8", "surrogateescape")
    if body:
        stated = parse_qs(urlsplit(url).query).get("bodySHA256", [])
        actual = hashlib.sha256(body).hexdigest()
        if len(stated) != 1 or not hmac.compare_digest(actual.encode(), stated[0].lower().encode()):
            raise SignatureRefusedError("The webhook's signature is wrong")
    return b""


@lru_cache(maxsize=256)
def read_verification(declared: str) -> Verification:
    """Reads what `verify=` declares.

    Raises:
        DefinitionError: it can't be; says why.
    """
    kind, _, rest = declared.partition(":")
    if kind not in _KINDS:
        near = get_close_matches(kind, _KINDS, 1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise DefinitionError(f"verify begins with one of {', '.join(_KINDS)} and a colon, not {kind!r}{hint}")
    given = _given(kind, rest.strip())
    known = _OF_TOKEN if kind == "token" else _OF_HMAC
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise DefinitionError(f"verify {kind!r} has {', '.join(known)}, not {name!r}{hint}")
    found = _KINDS[kind] | given
    _check_values(kind, found)
    if "methods" in found:
        found["methods"] = tuple(str(method).upper() for method in found["methods"])
    return Verification(kind=kind, **found)


def check_deliveries(verify: object, dedupe_header: object, *, is_public: bool) -> None:
    """Checks what a workflow declares of the deliveries that its endpoint gets.

    Raises:
        DefinitionError: it can't be; says why.
    """
    _check(verify is None or isinstance(verify, str), "verify must be text such as 'github:SECRET_NAME'")
    if isinstance(verify, str):
        read_verification(verify)
    is_header = isinstance(dedupe_header, str) and _HEADER.fullmatch(dedupe_header) is not None
    _check(dedupe_header is None or is_header, f"dedupe_header must be the name of a header, not {dedupe_header!r}")
    # Anybody could take the id of a delivery before it comes, or be shown what another's came to.
    open_to_all = is_public and verify is None and dedupe_header is not None
    _check(not open_to_all, "dedupe_header needs verify on a public endpoint")


def _given(kind: str, rest: str) -> dict[str, Any]:
    if not rest.startswith("{"):
        return {"secret": rest}
    try:
        given: Any = json.loads(rest)
    except ValueError as error:
        raise DefinitionError(f"verify {kind!r} has something behind its colon that is no JSON: {error}") from None
    return cast("dict[str, Any]", given)


def _check_values(kind: str, found: Mapping[str, Any]) -> None:
    secret = found.get("secret")
    _check(
        isinstance(secret, str) and _SECRET.fullmatch(secret) is not None,
        f"verify {kind!r} needs the name of the configuration value that holds its secret, not {secret!r}",
    )
    for name in ("header", "timestamp"):
        value = found.get(name)
        fits = value is None or (isinstance(value, str) and _HEADER.fullmatch(value) is not None)
        _check(fits, f"verify {kind!r}: {name} must be the name of a header, not {value!r}")
    methods: Any = found.get("methods", _METHODS)
    named = [str(one).upper() for one in cast("list[Any]", methods)] if isinstance(methods, (list, tuple)) else []
    _check(
        bool(named) and set(named) <= set(_METHODS),
        f"verify {kind!r}: methods must be a list of some of {', '.join(_METHODS)}",
    )
    prefix = found.get("prefix", "")
    _check(isinstance(prefix, str), f"verify {kind!r}: prefix must be text")
    if kind == "token":
        query = found.get("query")
        _check((query is None) != (found.get("header") is None), "verify 'token' needs either header or query")
        fits = query is None or (isinstance(query, str) and _QUERY.fullmatch(query) is not None)
        # Azure's own: what stands there is not passed on.
        fits = fits and query != "code"
        _check(fits, f"verify 'token': query must be the name of a parameter other than 'code', not {query!r}")
    else:
        _check_hmac(kind, found)


def _check_hmac(kind: str, found: Mapping[str, Any]) -> None:
    _check(found.get("header") is not None, f"verify {kind!r} needs header: the one that has the signature")
    for name, known in (("algorithm", _ALGORITHMS), ("encoding", _ENCODINGS)):
        value = found.get(name, known[0])
        _check(value in known, f"verify {kind!r}: {name} must be one of {', '.join(known)}, not {value!r}")
    signed = found.get("signed", "{body}")
    parts = _PART.findall(signed) if isinstance(signed, str) else ()
    known = ", ".join(f"{{{part}}}" for part in _PARTS)
    _check(
        bool(parts) and set(parts) <= set(_PARTS), f"verify {kind!r}: signed must be text with some of {known} in it"
    )
    _check(
        bool({"body", "form"} & set(parts)),
        f"verify {kind!r}: signed must have {{body}} or {{form}}, or anybody could change what was sent",
    )
    timed = "timestamp" in parts
    has_time = found.get("timestamp") is not None or found.get("pairs") is not None
    _check(
        timed == has_time, f"verify {kind!r}: timestamp names a header, and signed has {{timestamp}}: both or neither"
    )
    tolerance = found.get("tolerance")
    fits = isinstance(tolerance, (int, float)) and type(tolerance) is not bool and 1 <= tolerance <= _LONGEST_TOLERANCE
    _check(
        tolerance is None or (fits and timed),
        f"verify {kind!r}: tolerance must be seconds from 1 to {_LONGEST_TOLERANCE}, beside a timestamp",
    )
    url = found.get("url")
    fits = url is None or (isinstance(url, str) and url.startswith(("https://", "http://")) and "url" in parts)
    fits = fits and "?" not in (url or "")
    _check(fits, f"verify {kind!r}: url must be an address without a query, where signed has {{url}}")


def _check(fits: bool, message: str) -> None:
    if not fits:
        raise DefinitionError(message)
