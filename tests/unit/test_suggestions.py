"""The "did you mean" of messages."""

from __future__ import annotations

import time

import pytest

from shared.suggestions import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("gret", ["greet", "invoice"], "greet"),
        ("execution_mod", ["execution_mode", "timeout_seconds"], "execution_mode"),
        ("workflowname", ["workflowName", "status"], "workflowName"),
        ("workflow_name", ["workflowName", "status"], "workflowName"),
        ("timeoutSeconds", ["timeout_seconds", "tags"], "timeout_seconds"),
        ("tenantz", ["tenants"], "tenants"),
        ("zzz", ["greet", "invoice"], None),
        ("", ["greet"], None),
        ("greet", [], None),
    ],
)
def test_the_nearest_name_is_named(name: str, known: list[str], meant: str | None) -> None:
    assert nearest(name, known) == meant
    assert did_you_mean(name, known) == (f"; did you mean {meant!r}?" if meant else "")


def test_a_name_of_megabytes_is_not_compared() -> None:
    started = time.perf_counter()

    assert did_you_mean("a" * 5_000_000, ["a" * 60] * 1000) == ""

    assert time.perf_counter() - started < 0.5
