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

from shared.forms.expressions import Budget, ExpressionError, compile_expression, names_in

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
        ("tags.exists(tag, tag == 'b')", True),
        ("tags.filter(tag, tag != 'b')", ["a"]),
        ("'code-' + text", "code-x"),
        ("text.matches('^[a-z]$')", True),
        ("timestamp('2030-01-01T00:00:00Z')", "2030-01-01T00:00:00+00:00"),
    ],
)
def test_expressions_mean_what_cel_says_and_a_missing_field_is_null(text: str, expected: Any):
    assert compile_expression(text).evaluate({"n": 5, "tags": ["a", "b"], "text": "x"}) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a == formData.b || formData['c'] > 1", {"a", "b", "c"}),
        ("'formData.a \\' b' == x // c", {"x"}),
        (r"r'\' == a", {"a"}),
        ("tags.exists(t, t == a) && t == 1", {"tags", "a", "t"}),
        ("address.city.size() > 1", {"address"}),
        ("has(formData.a) ? size(b) : 0", {"a", "b"}),
        ("true && null == 1u", set()),
    ],
)
def test_the_fields_that_an_expression_refers_to_are_known(text: str, names: set[str]):
    assert names_in(text) == names


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a &&", "not valid CEL: 1:5: Syntax error"),
        ("__import__('os')", "There is no function __import__"),
        ("formData[a] == 1", "formData can only be used as"),
        ("formData.exists(a, true)", "formData can only be used as"),
        ("a.matches(b)", "a pattern that is written out"),
        ("a" * 2001, "longer than 2,000"),
        ("a.map(x, a.map(y, 1))", "map can't stand inside"),
        ("[1].map(x, [x, x])", "no list or map written out"),
        ("[a].map(x, x + x)", "no addition"),
        ("a.all(x, x.all(y, y.all(z, true)))", "2 levels"),
        ("a" + " + a" * 21, "more than 20 additions"),
        ("true" + " && a.all(x, true)" * 5, "more than 4 of"),
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


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("l.filter(x, x > 0)", 10_000),
        ("l.exists(x, l.exists(y, x == -1 && y == -1))", 10_000),
        ("l.map(x, l).exists(x, x.exists(y, y == -1))", 300),
        ("l.exists(x, l.exists(y, x < 0 && y < 0))", 300),
        ("l.all(x, s.contains(string(x)) == false)", 10_000),
        ("(l" + " + l" * 20 + ").exists(x, x < 0)", 10_000),
        ("l.all(x, !s.matches('(a{90}){90}'))", 10_000),
        ("s" + " + s" * 20, 1),
        ("l.all(x, " + " && ".join(["!s.contains('" + "a" * 60 + "b')"] * 20) + ")", 5000),
        ("l.all(x, " + " && ".join(["!(-1 in l)"] * 20) + ")", 9000),
    ],
)
def test_the_worst_expressions_end_soon_or_are_refused_before_they_begin(text: str, size: int):
    began = time.perf_counter()
    with suppress(ExpressionError):
        compile_expression(text).evaluate({"l": list(range(size - 1)), "s": "a" * 39_000})
    assert time.perf_counter() - began < 5


def test_expressions_that_share_a_budget_end_when_it_is_used_up():
    budget = Budget()
    slow = compile_expression("l.all(x, l == l)")
    with suppress(ExpressionError):
        for _ in range(100):
            slow.evaluate({"l": list(range(9900))}, budget)
    with pytest.raises(ExpressionError, match="too long"):
        compile_expression("1 == 1").evaluate({}, budget)
    assert compile_expression("1 == 1").evaluate({}) is True


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
    for text in ("a == b", "size(a) > 1", "a.b.c == 1", "a + a", "a", "a.exists(x, x == a)", "string(a)"):
        with suppress(ExpressionError):
            compile_expression(text).evaluate({"a": value})


@given(st.text(max_size=60) | st.text(alphabet="ab.([{}])'\"+,! \\", max_size=40))
def test_any_text_compiles_or_is_an_expression_error(text: str):
    with suppress(ExpressionError):
        names_in(text)


def test_the_library_is_loaded_only_when_an_expression_is_compiled():
    code = "import sys, shared.forms.checks, shared.forms.cascades; print('cel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
