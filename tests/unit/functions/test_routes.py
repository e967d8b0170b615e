"""The routes of the app: none overlaps another, and the catch-all comes last."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

from functions.http import (
    audit,
    config,
    data_providers,
    discovery,
    docs,
    endpoints,
    executions,
    forms,
    health,
    openapi,
    organizations,
    unmatched,
    workflow_keys,
    workflows,
)
from functions.http.routes import ROUTES, Route, methods_of

MODULES = (
    *(audit, config, data_providers, discovery, docs, endpoints, executions, forms, health, openapi),
    *(organizations, unmatched, workflow_keys, workflows),
)


def could_be_one_path(first: Route, second: Route) -> bool:
    """Whether some path fits both: segment by segment equal, or one of them a parameter."""
    one, two = first.path.lower().split("/"), second.path.lower().split("/")
    return len(one) == len(two) and all(a == b or "{" in a + b for a, b in zip(one, two, strict=True))


def test_no_two_routes_answer_the_same_request():
    for first, second in combinations(ROUTES, 2):
        assert first.method != second.method or not could_be_one_path(first, second), (first.name, second.name)


def test_names_are_unique_and_the_catch_all_sorts_last():
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names)
    assert max([*names, unmatched.NAME], key=str.upper) == unmatched.NAME


def test_methods_are_found_whatever_the_case_and_the_last_slash():
    assert methods_of("workflows/execute") == ["POST"]
    assert methods_of("Workflows/") == ["GET"]
    assert methods_of("executions/some-id/LOGS") == ["GET"]
    assert methods_of("executions/a/b/c") == []
    assert methods_of("") == []


def test_every_module_of_routes_is_registered_with_the_app():
    root = Path(__file__).resolve().parents[3]
    code = (
        "import function_app, json; from functions.http.routes import ROUTES;"
        "names = {f.get_function_name() for f in function_app.app.get_functions()};"
        "others = {'zz_unmatched', 'queue_worker', 'queue_poison', 'timer_recovery', 'timer_cleanup'};"
        "assert {r.name for r in ROUTES} | others == names, names"
    )
    environ = {**os.environ, "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env=environ)
    files = {path.stem for path in (root / "functions" / "http").glob("*.py")}
    assert files - {"__init__", "adapter", "endpoint_replies", "executed", "routes"} == {
        module.__name__.rpartition(".")[2] for module in MODULES
    }


def test_a_start_does_not_pay_for_the_description_and_its_page():
    code = (
        "import function_app, sys;"
        "late = [name for name in sys.modules if name.startswith('functions.openapi')];"
        "from functions.http import docs;"
        "assert not late and docs._read.cache_info().currsize == 0, late"
    )
    environ = {**os.environ, "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[3], check=True, env=environ)
