"""Expressions of forms: CEL, the Common Expression Language, which has no side effects and which browsers evaluate too.

Language: https://github.com/google/cel-spec/blob/master/doc/langdef.md

The variables are `formData` and every field by its name. A field without a value is null, so that `country == 'DE'` is
false and no error; for `has(formData.country)` it is not there. People ask whether a field is empty by `country == ''`
or `tags == []` as often as by null, so a field compared with one of these literals is asked just that. Numbers are not
converted: `n * 2.0` fails for the int 3, while `n > 2.5` compares as one expects.

Forms of the former system wrote `context.field.NAME` for a field and compared with `===` and `!==`; these are read as
CEL's `NAME`, `==` and `!=`.

Macros such as `exists`, which do something for each item of a list, are not taken. Without them the work grows with the
size of the text and of what it reads, so that bounds on these keep the slowest expression found to some 30 ms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from shared.forms.patterns import weight_of
from shared.serialization import to_json

if TYPE_CHECKING:
    from cel import Program

LONGEST_TEXT = 2000
# Of all values that an expression refers to, together: each of them is converted once for each expression.
MOST_ITEMS = 2_000
# The same when a value that the expression refers to twice counts twice: each reference may copy it.
MOST_ITEMS_READ = 10_000
MOST_CHARACTERS_READ = 200_000
# The library reads nested values by recursion, and a stack that overflows ends the process.
DEEPEST_VALUE = 20
# Each copies what those before have made.
MOST_ADDITIONS = 20
# Of the patterns of `matches`, together: by themselves, and for all characters that the expression reads.
HEAVIEST_PATTERNS = 2000
_MOST_WEIGHT_BY_CHARACTERS = 1_000_000
_WEIGHT_OF_CALL = 10
_LARGEST_INT = 2**64
_TOO_LARGE = "The values are too large for an expression"

_MACROS = frozenset({"map", "filter", "all", "exists", "exists_one", "existsOne"})
_DATE_PARTS = frozenset(
    f"get{part}"
    for part in ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds")
)
_FUNCTIONS = _DATE_PARTS | {
    *("has", "size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double"),
    *("bytes", "timestamp", "duration", "type", "dyn"),
}
_WORDS = frozenset({"true", "false", "null", "in"})
_TEXT = r"""(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
        |[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_TOKEN = re.compile(
    rf"""(?P<space>\s+|//[^\n]*)
    |(?P<text>{_TEXT})
    |(?P<number>(?:0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)u?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_OLDER = re.compile(
    rf"""(?P<kept>//[^\n]*|{_TEXT})
    |(?<![.\w])context\s*\.\s*field\s*\.\s*(?=[A-Za-z_])
    |(?<=[=!]=)=(?!=)""",
    re.VERBOSE | re.DOTALL,
)
# What a comparison stands between when it is no part of a larger operand.
_BEFORE_OPERAND = frozenset("([{,:?&|")
_BEHIND_OPERAND = frozenset(")]},:?&|")
_QUOTED_NAME = re.compile(r"""(['"])([A-Za-z_][A-Za-z0-9_]*)\1""")


class ExpressionError(ValueError):
    """An expression can't be compiled, or not be evaluated with these values; the message is a sentence about it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    Attributes:
        text: as it was written.
        names: the fields that it refers to.
    """

    text: str
    names: frozenset[str]
    _program: Program
    _shape: _Shape

    def evaluate(self, form_data: Mapping[str, Any]) -> Any:
        """The value for these fields, as JSON: a timestamp is ISO 8601 text, a duration its seconds.

        Args:
            form_data: the values by field name. Only those that the expression refers to are read.

        Raises:
            ExpressionError: the operation is not defined for these values, or they are too large: beyond `MOST_ITEMS`,
                `MOST_ITEMS_READ`, `MOST_CHARACTERS_READ` or `DEEPEST_VALUE`, or too long for the expression's patterns.
        """
        shape = self._shape
        values = {name: form_data.get(name) for name in self.names}
        _check_size(values, shape)
        variables = {name: values[name] for name in shape.variables}
        if shape.members:
            variables["formData"] = {
                name: values[name] for name in shape.members if values[name] is not None or name not in shape.asked_for
            }
        value = _run(self._program, variables)
        return value if isinstance(value, (bool, int, str)) else to_json(value)


def compile_expression(text: str) -> Expression:
    """Compiles an expression; the last 2,000 are cached.

    Raises:
        ExpressionError: it is no CEL, is longer than `LONGEST_TEXT`, uses a macro, calls a function that there is not,
            uses `formData` otherwise than as `formData.NAME` or `formData['NAME']`, or is beyond `MOST_ADDITIONS` or
            `HEAVIEST_PATTERNS`.
    """
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(f"The expression is longer than {LONGEST_TEXT:,} characters")
    return _compiled(text)


@lru_cache(maxsize=2000)
def _compiled(text: str) -> Expression:
    cel = _as_cel(text)
    program = _program_of(cel)
    shape = _ShapeReader(cel).shape()
    return Expression(text, frozenset(shape.references), program, shape)


def _as_cel(text: str) -> str:
    """The expression as the library is to read it: without what only older forms write, and with `x == ''` true for
    the null of an empty field, too.
    """
    return _with_empty_checks(_OLDER.sub(lambda found: found["kept"] or "", text))


def _with_empty_checks(text: str) -> str:
    tokens = list(_tokens_of(text))
    signs = [token.text for token in tokens]
    parts: list[str] = []
    done = at = 0
    while at < len(tokens):
        check = _empty_check(tokens, signs, at)
        if check is None:
            at += 1
            continue
        last, field, is_equal = check
        source = text[tokens[field.start].start : tokens[field.stop - 1].end]
        # It refers to the field once, as the comparison does: values count as often as they are referred to.
        is_empty = f"({source} in ['', [], null])"
        parts += [text[done : tokens[at].start], is_empty if is_equal else f"(!{is_empty})"]
        done, at = tokens[last].end, last + 1
    return "".join([*parts, text[done:]])


def _empty_check(tokens: Sequence[_Token], signs: Sequence[str], at: int) -> tuple[int, range, bool] | None:
    """The comparison of a field with an empty literal that begins here and stands by itself: its last token, the tokens
    of the field, and whether it is `==`.
    """
    if at and signs[at - 1] not in _BEFORE_OPERAND:
        return None
    left = _operand_at(tokens, signs, at)
    if left is None or signs[left.stop : left.stop + 2] not in (["=", "="], ["!", "="]):
        return None
    right = _operand_at(tokens, signs, left.stop + 2)
    if right is None or (right.stop < len(tokens) and signs[right.stop] not in _BEHIND_OPERAND):
        return None
    literals = [tokens[operand.start].kind == "text" or signs[operand.start] == "[" for operand in (left, right)]
    if literals[0] == literals[1]:
        return None
    return right.stop - 1, right if literals[0] else left, signs[left.stop] == "="


def _operand_at(tokens: Sequence[_Token], signs: Sequence[str], at: int) -> range | None:
    """The tokens of a field, or of an empty text or list, from here on."""
    if signs[at : at + 2] == ["[", "]"]:
        return range(at, at + 2)
    if at >= len(tokens):
        return None
    if tokens[at].kind == "text":
        return range(at, at + 1) if signs[at] in ("''", '""') else None
    if tokens[at].kind != "name" or signs[at] in _WORDS:
        return None
    length = 1
    if signs[at] == "formData":
        length = 3 if signs[at + 1 : at + 2] == ["."] else 4
    following = signs[at + length : at + length + 1]
    return range(at, at + length) if at + length <= len(tokens) and following not in (["."], ["["], ["("]) else None


def _program_of(text: str) -> Program:
    # Costs a tenth of a second, and most forms have no expression.
    from cel import compile as compile_cel

    try:
        return compile_cel(text)
    except ValueError as error:
        raise ExpressionError(f"The expression is not valid CEL: {_first_sentence(error)}") from None


def _run(program: Program, variables: dict[str, Any]) -> Any:
    try:
        return program.execute(variables)
    except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError) as error:
        raise ExpressionError(f"The expression can't be evaluated: {_first_sentence(error)}") from None


def _first_sentence(error: Exception) -> str:
    """What the library says, without the expression that it quotes before, and the advice and drawing behind."""
    message = str(error).rpartition("': ERROR: <input>:")[2]
    return re.split(r"\n|\. | expecting ", message, maxsplit=1)[0][:300] or type(error).__name__


class _Token(NamedTuple):
    """A piece of an expression; `start` and `end` are its place in the text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """What an expression refers to and does, as far as its dependencies and its cost need it.

    Attributes:
        references: how often it refers to each field.
        variables, members: the fields that it refers to by their names, and as members of `formData`.
        asked_for: the members that it asks `has` for.
        literals: how many characters of text stand in it.
        patterns: the weight of its patterns, together.
    """

    references: Counter[str]
    variables: frozenset[str]
    members: frozenset[str]
    asked_for: frozenset[str]
    literals: int
    patterns: int


class _ShapeReader:
    """Reads the shape of an expression that the library has found to be valid."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens_of(text))
        self._variables: list[str] = []
        self._members: list[str] = []
        self._asked_for: set[str] = set()
        self._patterns = 0

    def shape(self) -> _Shape:
        for at, token in enumerate(self._tokens):
            if token.kind == "name":
                self._read_name(at, token.text)
        if sum((token.kind, token.text) == ("sign", "+") for token in self._tokens) > MOST_ADDITIONS:
            raise ExpressionError(f"The expression has more than {MOST_ADDITIONS} additions")
        if self._patterns > HEAVIEST_PATTERNS:
            raise ExpressionError("The patterns of the expression are too long, or their counts too high")
        return _Shape(
            references=Counter(self._variables + self._members),
            variables=frozenset(self._variables),
            members=frozenset(self._members),
            asked_for=frozenset(self._asked_for),
            literals=sum(len(token.text) for token in self._tokens if token.kind == "text"),
            patterns=self._patterns,
        )

    def _read_name(self, at: int, name: str) -> None:
        is_member = self._text(at - 1) == "."
        if self._text(at + 1) == "(":
            self._read_call(at, name, is_member=is_member)
        elif is_member or name in _WORDS:
            return
        elif name == "formData":
            field = self._field_of_form_data(at)
            self._members.append(field)
            if self._text(at - 2) == "has" and self._text(at - 1) == "(":
                self._asked_for.add(field)
        else:
            self._variables.append(name)

    def _read_call(self, at: int, name: str, *, is_member: bool) -> None:
        if name in _MACROS:
            raise ExpressionError(f"Macros such as {name} are not taken")
        if name not in _FUNCTIONS and name not in _WORDS:
            raise ExpressionError(f"There is no function {name}")
        if name == "matches":
            if not is_member or self._text(at + 3) != ")" or self._tokens[at + 2].kind != "text":
                raise ExpressionError("matches takes a pattern that is written out, as in code.matches('^[0-9]+$')")
            pattern = _run(_program_of(self._tokens[at + 2].text), {})
            self._patterns += _WEIGHT_OF_CALL + weight_of(str(pattern))

    def _field_of_form_data(self, at: int) -> str:
        if self._text(at + 1) == "." and self._text(at + 3) != "(":
            return self._text(at + 2)
        quoted = _QUOTED_NAME.fullmatch(self._text(at + 2))
        if self._text(at + 1) != "[" or quoted is None or self._text(at + 3) != "]":
            raise ExpressionError("formData can only be used as formData.NAME or formData['NAME']")
        return quoted[2]

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""


def _tokens_of(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield _Token(match.lastgroup or "", match[0], match.start(), match.end())


def _check_size(values: Mapping[str, Any], shape: _Shape) -> None:
    """Whether values of JSON can be read without taking too long.

    Raises:
        ExpressionError: they can't, or one holds an int that no CEL number can hold.
    """
    items = items_read = characters = 0
    for name, value in values.items():
        own_items, own_characters = _size_of(value)
        items += own_items
        items_read += own_items * shape.references[name]
        characters += own_characters * shape.references[name]
    if items > MOST_ITEMS or items_read > MOST_ITEMS_READ or characters > MOST_CHARACTERS_READ:
        raise ExpressionError(_TOO_LARGE)
    if shape.patterns * (characters + shape.literals) > _MOST_WEIGHT_BY_CHARACTERS:
        raise ExpressionError("The values are too long for the patterns of the expression")


def _size_of(value: Any) -> tuple[int, int]:
    """How many items, keys among them, and how many characters."""
    items = characters = 0
    level: list[Any] = [value]
    for _ in range(DEEPEST_VALUE + 1):
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                characters += len(each)
            elif isinstance(each, int) and not -_LARGEST_INT < each < _LARGEST_INT:
                raise ExpressionError("A number is too large for an expression")
            elif isinstance(each, (Mapping, list, tuple)):
                members = cast("Mapping[str, Any] | list[Any]", each)
                # Before they are gone through: a body has room for millions.
                if items + len(below) + len(members) > MOST_ITEMS:
                    raise ExpressionError(_TOO_LARGE)
                below.extend(members)
                below.extend(members.values() if isinstance(members, Mapping) else ())
        items += len(level)
        if not below:
            return items, characters
        level = below
    raise ExpressionError(f"A value is nested deeper than {DEEPEST_VALUE} levels")
