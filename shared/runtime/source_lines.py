"""Source lines beside a failure, without the secrets that are written into them."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from shared.logs.masking import MASK

# Parts of names: of `api_token` and `accessKey` alike.
_SECRET_PART = re.compile(r"passw|passphrase|token|secret|key|authorization|credential|cookie|signature", re.IGNORECASE)
# Whole words of names: `db_pwd`, but not `spinner`.
_SECRET_WORDS = frozenset(
    "auth bearer cred creds cvc cvv dsn jwt otp pat pin pwd pw sas totp webhook".split()  # noqa: SIM905
)
_SECRET_PAIRS = frozenset({("connection", "string"), ("conn", "str"), ("database", "url"), ("db", "url")})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/:@'\"]*):([^\s/@'\"]+)@")


def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret, by what people call secrets."""
    if _SECRET_PART.search(name):
        return True
    words = [word.lower() for word in _WORDS.findall(name)]
    return any(word in _SECRET_WORDS for word in words) or any(
        pair in _SECRET_PAIRS for pair in itertools.pairwise(words)
    )


def without_password(text: str) -> str:
    """The text with the passwords of addresses in it, as in `postgres://user:password@host`, masked."""
    return _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", text)


def shown_lines(lines: Sequence[str], first: int, last: int) -> dict[str, str]:
    """Lines of a file, by their number as text.

    Args:
        lines: all of the file, with their ends.
        first, last: numbers of the first and the last one, from 1 on.
    """
    spans = _secret_spans("".join(lines))
    shown: dict[str, str] = {}
    for number in range(first, min(len(lines), last) + 1):
        line = lines[number - 1].rstrip("\r\n")
        if spans is None:
            # What can't be parsed any more was changed since it ran.
            shown[str(number)] = MASK if any(map(is_secret_name, re.findall(r"\w+", line))) else without_password(line)
            continue
        raw = line.encode()
        for start, end in sorted(spans.get(number, ()), reverse=True):
            raw = raw[:start] + MASK.encode() + (b"" if end is None else raw[end:])
        shown[str(number)] = without_password(raw.decode("utf-8", "replace"))
    return shown


@lru_cache(maxsize=16)
def _secret_spans(source: str) -> Mapping[int, list[tuple[int, int | None]]] | None:
    """Where in each line, in bytes of UTF-8, stands what must not be shown; None for what is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    spans: dict[int, set[tuple[int, int | None]]] = defaultdict(set)
    for constant in _secret_constants(tree):
        first, last = constant.lineno, constant.end_lineno or constant.lineno
        for number in range(first, last + 1):
            start = constant.col_offset if number == first else 0
            spans[number].add((start, constant.end_col_offset if number == last else None))
    return {number: _outermost(found) for number, found in spans.items()}


def _outermost(spans: set[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """Those that lie in no other one."""
    found: list[tuple[int, int | None]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -(span[1] or 1 << 30))):
        if found and (found[-1][1] is None or (end is not None and end <= found[-1][1])):
            continue
        found.append((start, end))
    return found


def _secret_constants(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for names, value in _named_values(node):
            if value is not None and any(map(is_secret_name, names)):
                yield from _constants(value)


def _named_values(node: ast.AST) -> Iterator[tuple[list[str], ast.expr | None]]:
    """What a node gives a name to, or compares with one: the names, and the value."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield [name for target in targets for name in _names(target)], value
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield _names(target), value
        case ast.AugAssign(target=target, value=value):
            yield _names(target), value
        case ast.keyword(arg=str(name), value=value):
            yield [name], value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                yield _names(key), value
        case ast.arguments():
            positional = [*node.posonlyargs, *node.args]
            given = [*zip(positional[::-1], node.defaults[::-1], strict=False)]
            for argument, value in [*given, *zip(node.kwonlyargs, node.kw_defaults, strict=True)]:
                yield [argument.arg], value
        case ast.Compare(left=left, comparators=comparators):
            for value in comparators:
                yield _names(left), value
        case _:
            return


def _names(target: ast.expr | None) -> list[str]:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return [name]
        case ast.Subscript(value=value, slice=index):
            return [*_names(value), *_names(index)]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [name for item in items for name in _names(item)]
        case _:
            return []


def _constants(value: ast.expr) -> Iterator[ast.expr]:
    for node in ast.walk(value):
        is_literal = isinstance(node, ast.Constant) and type(node.value) in (str, bytes, int, float)
        if isinstance(node, ast.expr) and (is_literal or isinstance(node, ast.JoinedStr)):
            yield node
