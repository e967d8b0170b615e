"""Expressions: what they mean, what they refer to, and that none can hang or end the process."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.forms.expressions import (
    MOST_CHARACTERS_READ,
    MOST_ITEMS,
    MOST_ITEMS_READ,
    ExpressionError,
    compile_expression,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("country == 'DE'", False),
        ("formData.country == 'DE'", False),
        ("formData['country'] == null", True),
        ("has(formData.country)", False),
        ("has(formData.n)", True),
        ("n > 4.5 && formData.n == 5", True),
        ("'b' in tags && 'b' in (formData.tags)", True),
        ("tags + [text]", ["a", "b", "x"]),
        ("'code-' + text", "code-x"),
        ("text.matches('^[a-z]$')", True),
        ("timestamp('2030-01-01T00:00:00Z')", "2030-01-01T00:00:00+00:00"),
    ],
)
def test_expressions_mean_what_cel_says_and_a_missing_field_is_null(text: str, expected: Any):
    assert compile_expression(text).evaluate({"n": 5, "tags": ["a", "b"], "text": "x"}) == expected


@pytest.mark.parametrize(
    ("older", "text"),
    [
        ("context.field.country === 'DE'", "country == 'DE'"),
        ("context.field.n !== 5 || context . field . n == 6", "n != 5 || n == 6"),
        ("!(context.field.tags.size() === 0) && has(formData.n)", "!(tags.size() == 0) && has(formData.n)"),
        ("n >= 5 && n <= 6 && !flag === true", "n >= 5 && n <= 6 && !flag == true"),
        # In texts and comments nothing is changed.
        ("text === 'a === context.field.b' // context.field.no !== 1", "text == 'a === context.field.b'"),
        ('text !== "it\\"s === it"', 'text != "it\\"s === it"'),
    ],
)
def test_expressions_of_older_forms_mean_what_they_meant(older: str, text: str):
    values = {"country": "DE", "n": 5, "tags": ["a"], "text": "a === context.field.b", "flag": False}
    read, written = compile_expression(older), compile_expression(text)
    assert (read.text, read.names, read.evaluate(values)) == (older, written.names, written.evaluate(values))


@pytest.mark.parametrize("text", ["a ==== 1", "a =!= 1", "context.field. === 1", "a === "])
def test_what_no_older_form_could_mean_stays_an_error(text: str):
    with pytest.raises(ExpressionError):
        compile_expression(text)


def test_a_field_that_is_called_context_is_read_as_one():
    assert compile_expression("context == 1 && other.context.field.x == 2").names == {"context", "other"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a == formData.b || formData['c'] > 1", {"a", "b", "c"}),
        ("'formData.a \\' b' == x // c", {"x"}),
        (r"r'\' == a", {"a"}),
        ("map == 1 && filter.all == 2", {"map", "filter"}),
        ("address.city.size() > 1", {"address"}),
        ("has(formData.a) ? size(b) : 0", {"a", "b"}),
        ("true && null == 1u", set()),
    ],
)
def test_the_fields_that_an_expression_refers_to_are_known(text: str, names: set[str]):
    assert compile_expression(text).names == names


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a &&", "not valid CEL: 1:5: Syntax error"),
        ("__import__('os')", "There is no function __import__"),
        ("formData[a] == 1", "formData can only be used as"),
        ("formData.size(a)", "formData can only be used as"),
        ("a.matches(b)", "a pattern that is written out"),
        ("a" * 2001, "longer than 2,000"),
        ("a" + " + a" * 21, "more than 20 additions"),
        ("a.matches('(a{90}){90}')", "patterns of the expression are too long"),
        ("a.matches(r'^[\\w]{99}$')", "patterns of the expression are too long"),
        ("a.matches('\\x5cw{99}')", "patterns of the expression are too long"),
        ("(" * 900 + "1" + ")" * 900, "not valid CEL"),
    ],
)
def test_what_is_no_bounded_cel_is_refused_with_a_sentence(text: str, problem: str):
    with pytest.raises(ExpressionError, match=problem.replace("(", r"\(")):
        compile_expression(text)


def test_an_operation_that_is_not_defined_for_the_values_is_an_expression_error():
    for text in ("size(a)", "a + 1", "1 / 0", "a.b.c", "[1][9]"):
        with pytest.raises(ExpressionError):
            compile_expression(text).evaluate({})


@pytest.mark.parametrize("macro", ["map", "filter", "all", "exists", "exists_one", "existsOne"])
@pytest.mark.parametrize("text", ["a.{}(x, x == 1)", "b == 1 || [1].{}(x, true)", "formData.a.{} (x, true)"])
def test_macros_are_refused_by_name(text: str, macro: str):
    with pytest.raises(ExpressionError, match=rf"Macros such as {macro} are not taken"):
        compile_expression(text.format(macro))


SLOWEST = {
    "a list many times": "[" + ",".join(["l"] * 900) + "]",
    "a list in a map": "{'a': l}",
    "additions of lists": "+".join(["l"] * 21),
    "additions of lists of lists": "+".join(["[l]"] * 21),
    "additions of texts": "+".join(["s"] * 21),
    "many comparisons": "&&".join(["l == l"] * 200),
    "many memberships": "||".join(["'-' in l"] * 150),
    "many searches": "||".join(["s.contains('" + "a" * 60 + "b')"] * 20),
    "a pattern that takes long to compile": r"s.matches(r'\w{1,48}')",
    "a pattern that takes long to match": r"s.matches(r'" + r"(\w*)" * 45 + "y')",
    "many patterns": "||".join([r"s.matches(r'\w$x')"] * 38),
}


@pytest.mark.parametrize("text", SLOWEST.values(), ids=SLOWEST)
@pytest.mark.parametrize("share", [1, 2, 20, 200])
def test_the_slowest_expressions_end_soon_or_are_refused_before_they_begin(text: str, share: int):
    """Values of every size, from as large as they may be when they are read once to what is left for each of many."""
    expression = compile_expression(text)
    most = min(MOST_ITEMS, MOST_ITEMS_READ // share)
    values = [[str(number) for number in range(most - 2)], ["a" * (MOST_CHARACTERS_READ // share)]]
    for items in values:
        began = time.thread_time()
        with suppress(ExpressionError):
            expression.evaluate({"l": items, "s": items[-1]})
        # About 0.03 s; the rest is for slow machines.
        assert time.thread_time() - began < 0.3


def test_values_are_refused_beyond_a_size_and_what_is_read_twice_counts_twice():
    items = list(range(MOST_ITEMS - 1))
    as_often = MOST_ITEMS_READ // MOST_ITEMS
    for text, values in (
        (" && ".join(["l != []"] * as_often), {"l": items}),
        ("s != ''", {"s": "a" * MOST_CHARACTERS_READ}),
    ):
        assert compile_expression(text).evaluate(values) is True
        with pytest.raises(ExpressionError, match="too large"):
            compile_expression(f"{text} && {text}").evaluate(values)
    with pytest.raises(ExpressionError, match="too large"):
        compile_expression("l != []").evaluate({"l": [*items, 1]})


def test_a_text_that_is_too_long_for_a_pattern_is_refused():
    expression = compile_expression("code.matches('^[A-Z]{2}[0-9]{8}$')")
    assert expression.evaluate({"code": "DE12345678"}) is True
    with pytest.raises(ExpressionError, match="too long for the patterns"):
        expression.evaluate({"code": "D" * 100_000})


def test_a_value_of_millions_is_refused_without_going_through_it():
    began = time.thread_time()
    for value in ([1] * 3_000_000, [[1] * 3_000_000], {"a": [[1]] * 3_000_000}):
        with pytest.raises(ExpressionError, match="too large"):
            compile_expression("a == 1").evaluate({"a": value})
    assert time.thread_time() - began < 0.3


def test_values_nested_so_deep_that_the_stack_would_overflow_are_refused():
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nested deeper"):
        compile_expression("a == 1").evaluate({"a": deep})
    while isinstance(deep, list):
        deep = deep[0]


@given(JSON)
def test_any_json_gives_a_value_or_an_expression_error(value: Any):
    for text in ("a == b", "size(a) > 1", "a.b.c == 1", "a + a", "a", "a in [a]", "string(a)"):
        with suppress(ExpressionError):
            compile_expression(text).evaluate({"a": value})


@given(st.text(max_size=60) | st.text(alphabet="ab.([{}])'\"+,! \\", max_size=40))
def test_any_text_compiles_or_is_an_expression_error(text: str):
    with suppress(ExpressionError):
        _ = compile_expression(text)


def test_the_library_is_loaded_only_when_an_expression_is_compiled():
    code = "import sys, shared.forms.checks, shared.forms.cascades; print('cel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
