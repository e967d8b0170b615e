"""Expressions of forms: CEL, the Common Expression Language, which has no side effects and which browsers evaluate too.

Language: https://github.com/google/cel-spec/blob/master/doc/langdef.md

The variables are `formData` and every field by its name. A field without a value is null, so that `country == 'DE'` is
false and no error; for `has(formData.country)` it is not there. Numbers are not converted: `n * 2.0` fails for the
int 3, while `n > 2.5` compares as one expects.

CEL always ends, but not always soon: `[s].map(x, x + x).map(x, x + x)…` doubles with every step. So the form of an
expression is restricted when it is compiled, and the work it can then cause is estimated from the values' size, before
it begins. The bounds below keep the slowest expression found to about two seconds; a `Budget` keeps all those of a form
from taking as long each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from shared.serialization import to_json

if TYPE_CHECKING:
    from cel import Program

LONGEST_TEXT = 2000
# Of all values that one expression refers to, together.
MOST_CHARACTERS = 50_000
MOST_ITEMS = 10_000
# The library reads nested values by recursion, and a stack that overflows ends the process.
DEEPEST_VALUE = 20
MOST_ADDITIONS = 20
MOST_MACROS = 4
DEEPEST_MACROS = 2
# Steps that take up to a third of a microsecond each.
_MOST_STEPS = 2_000_000
# A pattern is compiled anew for each item, which takes as long as thousands of comparisons.
_STEPS_PER_PATTERN = 5000
# As much of a text, and as many items of a list, are looked through in a step.
_CHARACTERS_PER_STEP = 200
_ITEMS_PER_STEP = 20
# Of the processor, for all expressions of a call together.
_SECONDS_TOGETHER = 1.0
_LARGEST_INT = 2**64

_COPYING_MACROS = frozenset({"map", "filter"})
_MACROS = _COPYING_MACROS | {"all", "exists", "exists_one", "existsOne"}
_DATE_PARTS = frozenset(
    f"get{part}"
    for part in ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds")
)
_FUNCTIONS = (
    _MACROS
    | _DATE_PARTS
    | {"has", "size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double"}
    | {"bytes", "timestamp", "duration", "type", "dyn"}
)
_WORDS = frozenset({"true", "false", "null", "in"})
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
        |[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>(?:0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)u?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_NAME = re.compile(r"""(['"])([A-Za-z_][A-Za-z0-9_]*)\1""")


class ExpressionError(ValueError):
    """An expression can't be compiled, or not be evaluated with these values; the message is a sentence about it."""


class Budget:
    """What all expressions that one call evaluates may take together. `with` it, one of them is evaluated.

    Raises:
        ExpressionError: those before have used it up.
    """

    def __init__(self) -> None:
        self._left = _SECONDS_TOGETHER
        self._began = 0.0

    def __enter__(self) -> None:
        if self._left <= 0:
            raise ExpressionError("The form's expressions take too long with these values")
        # Time of this thread only: other work on the machine must not change what a form means.
        self._began = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._left -= time.thread_time() - self._began


class _Token(NamedTuple):
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """What an expression is made of, as far as its cost and its dependencies need it."""

    names: frozenset[str]
    asked_for: frozenset[str]
    tokens: int
    additions: int
    loops: int
    patterns: int
    searches: int

    def steps(self, items: int, characters: int) -> int:
        """How many steps it takes at most, with values of that size."""
        longest_list = (items + self.tokens + characters // 100) * (self.additions + 1)
        search = characters // _CHARACTERS_PER_STEP + items // _ITEMS_PER_STEP
        once = self.tokens + self.patterns * _STEPS_PER_PATTERN + self.searches * search
        return once * longest_list**self.loops


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    Attributes:
        text: as it was written.
        names: the fields that it refers to.
    """

    text: str
    _program: Program
    _shape: _Shape

    @property
    def names(self) -> frozenset[str]:
        return self._shape.names

    def evaluate(self, form_data: Mapping[str, Any], budget: Budget | None = None) -> Any:
        """The value for these fields, as JSON: a timestamp is ISO 8601 text, a duration its seconds.

        Args:
            form_data: the values by field name. Only those that the expression refers to are read.
            budget: what this expression shares with others; None for one that is evaluated alone.

        Raises:
            ExpressionError: the operation is not defined for these values, or they are too large (`MOST_CHARACTERS`,
                `MOST_ITEMS`, `DEEPEST_VALUE`) or too many for what the expression does with them; or the budget is used
                up.
        """
        with budget or Budget():
            return self._evaluate(form_data)

    def _evaluate(self, form_data: Mapping[str, Any]) -> Any:
        values = {name: form_data.get(name) for name in self.names}
        size = _size_of(values)
        if size.characters > MOST_CHARACTERS or size.items > MOST_ITEMS:
            raise ExpressionError("The values are too large for an expression")
        if self._shape.loops and self._shape.steps(size.items, size.characters) > _MOST_STEPS:
            raise ExpressionError("The lists are too long for what the expression does with each of their items")
        there = {
            name: value for name, value in values.items() if value is not None or name not in self._shape.asked_for
        }
        return to_json(_run(self._program, {**values, "formData": there}))


def compile_expression(text: str) -> Expression:
    """Compiles an expression; the last 500 are kept.

    Raises:
        ExpressionError: it is no CEL, is longer than `LONGEST_TEXT`, calls a function that there is not, uses
            `formData` otherwise than as `formData.NAME` or `formData['NAME']`, or is beyond the bounds of this module.
    """
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(f"The expression is longer than {LONGEST_TEXT:,} characters")
    return _compiled(text)


def names_in(text: str) -> set[str]:
    """The fields that an expression refers to, as `NAME`, `formData.NAME` or `formData['NAME']`.

    Raises:
        ExpressionError: as `compile_expression`.
    """
    return set(compile_expression(text).names)


@lru_cache(maxsize=500)
def _compiled(text: str) -> Expression:
    # Costs a tenth of a second, and most forms have no expression.
    from cel import compile as compile_cel

    try:
        program = compile_cel(text)
    except ValueError as error:
        raise ExpressionError(f"The expression is not valid CEL: {_first_sentence(error)}") from None
    return Expression(text, program, _ShapeReader(text).shape())


def _run(program: Program, variables: dict[str, Any]) -> Any:
    try:
        return program.execute(variables)
    except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError) as error:
        raise ExpressionError(f"The expression can't be evaluated: {_first_sentence(error)}") from None


def _first_sentence(error: Exception) -> str:
    """What the library says, without the expression that it quotes before, and the advice and drawing behind."""
    message = str(error).rpartition("': ERROR: <input>:")[2]
    return re.split(r"\n|\. | expecting ", message, maxsplit=1)[0][:300] or type(error).__name__


class _ShapeReader:
    """Reads the shape of an expression that the library has found to be valid."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens_of(text))
        self._names: set[str] = set()
        self._asked_for: set[str] = set()
        # For each bracket that is open: the macro that it belongs to, if any, and the variable that this one makes.
        self._open: list[tuple[str | None, str | None]] = []
        self._macros = self._additions = self._loops = self._patterns = self._searches = 0

    def shape(self) -> _Shape:
        for at, token in enumerate(self._tokens):
            if token.kind == "name":
                self._read_name(at, token.text)
            elif token.kind == "sign":
                self._read_sign(at, token.text)
        if self._additions > MOST_ADDITIONS:
            raise ExpressionError(f"The expression has more than {MOST_ADDITIONS} additions")
        if self._macros > MOST_MACROS:
            raise ExpressionError(f"The expression has more than {MOST_MACROS} of {', '.join(sorted(_MACROS))}")
        names, asked_for = frozenset(self._names), frozenset(self._asked_for)
        return _Shape(names, asked_for, len(self._tokens), self._additions, self._loops, self._patterns, self._searches)

    def _read_name(self, at: int, name: str) -> None:
        is_member = self._text(at - 1) == "."
        if self._text(at + 1) == "(":
            if name not in _FUNCTIONS:
                raise ExpressionError(f"There is no function {name}")
            if name == "matches" and not self._has_written_pattern(at, is_member):
                raise ExpressionError("matches takes a pattern that is written out, as in code.matches('^[0-9]+$')")
            self._patterns += name == "matches"
            self._searches += name == "contains"
        elif name == "in" and not is_member:
            self._searches += 1
        elif is_member or name in _WORDS or any(name == variable for _, variable in self._open):
            return
        elif name == "formData":
            field = self._field_of_form_data(at)
            self._names.add(field)
            if self._text(at - 2) == "has" and self._text(at - 1) == "(":
                self._asked_for.add(field)
        else:
            self._names.add(name)

    def _field_of_form_data(self, at: int) -> str:
        if self._text(at + 1) == "." and self._text(at + 3) != "(":
            return self._text(at + 2)
        quoted = _QUOTED_NAME.fullmatch(self._text(at + 2))
        if self._text(at + 1) != "[" or quoted is None or self._text(at + 3) != "]":
            raise ExpressionError("formData can only be used as formData.NAME or formData['NAME']")
        return quoted[2]

    def _has_written_pattern(self, at: int, is_member: bool) -> bool:
        closes = self._text(at + 3) == ")"
        return is_member and closes and at + 2 < len(self._tokens) and self._tokens[at + 2].kind == "text"

    def _read_sign(self, at: int, sign: str) -> None:
        is_in_macro = any(macro for macro, _ in self._open)
        before = self._tokens[at - 1] if at else _Token("sign", "")
        if sign in ")]}":
            self._open.pop()
        elif sign == "(" and before.text in _MACROS and self._text(at - 2) == ".":
            self._open_macro(before.text, self._text(at + 1), is_in_macro)
        elif sign in "([{":
            is_index = before.kind in ("name", "text") or before.text in (")", "]")
            if is_in_macro and (sign == "{" or (sign == "[" and not is_index)):
                raise ExpressionError("Inside of a macro such as map or exists there can be no list or map written out")
            self._open.append((None, None))
        elif sign == "+":
            if is_in_macro:
                raise ExpressionError("Inside of a macro such as map or exists there can be no addition")
            self._additions += 1

    def _open_macro(self, macro: str, variable: str, is_in_macro: bool) -> None:
        if is_in_macro and macro in _COPYING_MACROS:
            raise ExpressionError(f"{macro} can't stand inside of another macro")
        self._open.append((macro, variable))
        self._macros += 1
        depth = sum(1 for opened, _ in self._open if opened)
        if depth > DEEPEST_MACROS:
            raise ExpressionError(f"Macros such as exists can be nested {DEEPEST_MACROS} levels deep")
        # These copy their result for each item that they add.
        copies = any(opened in _COPYING_MACROS for opened, _ in self._open)
        self._loops = max(self._loops, depth + copies)

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""


def _tokens_of(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield _Token(match.lastgroup or "", match[0])


class _Size(NamedTuple):
    items: int
    characters: int


def _size_of(values: Any) -> _Size:
    """How large values of JSON are.

    Raises:
        ExpressionError: they are nested deeper than `DEEPEST_VALUE`, or hold an int that no CEL number can hold.
    """
    items = characters = 0
    level: list[Any] = [values]
    for _ in range(DEEPEST_VALUE + 2):
        below: list[Any] = []
        for value in level:
            items += 1
            if isinstance(value, str):
                characters += len(value)
            elif isinstance(value, int) and not -_LARGEST_INT < value < _LARGEST_INT:
                raise ExpressionError("A number is too large for an expression")
            elif isinstance(value, Mapping):
                mapping = cast("Mapping[str, Any]", value)
                characters += sum(map(len, mapping))
                below.extend(mapping.values())
            elif isinstance(value, (list, tuple)):
                below.extend(cast("list[Any]", value))
        if not below:
            return _Size(items, characters)
        level = below
    raise ExpressionError(f"A value is nested deeper than {DEEPEST_VALUE} levels")
