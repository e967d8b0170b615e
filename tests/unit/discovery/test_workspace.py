"""The workspace folder becomes the registry; what is broken is reported and takes nothing else down."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.discovery import Workspace
from shared.registry import FunctionRegistry, get_registry, staging
from shared.settings.environment import load_settings

WORKFLOW = """
from shared.decorators import workflow

@workflow(name="{name}", execution_mode="sync"{more})
def {name}():
    return {value!r}
"""

Write = Callable[..., Path]


def source(name: str, value: object = 1, more: str = "") -> str:
    return WORKFLOW.format(name=name, value=value, more=more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def clean_imports(tmp_path: Path) -> Iterator[FunctionRegistry]:
    """Modules and paths of the test's folders are gone afterwards, and its functions were never in the real
    registry.
    """
    path = list(sys.path)
    with staging(FunctionRegistry()) as registry:
        yield registry
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def workspace(folder: Path, *, reload: bool = False, home: Path | None = None, timeout: int | None = None) -> Workspace:
    settings = load_settings({}, app_root=folder.parent)
    settings = replace(settings, workspace_path=folder, home_path=home, workspace_reload=reload)
    return Workspace(replace(settings, function_timeout_seconds=timeout))


def names() -> list[str]:
    return [metadata.name for metadata in get_registry().get_all_functions()]


def test_functions_of_all_files_are_found_whatever_the_depth(folder: Path, write: Write):
    write("one.py", source("one"))
    write("deep/er/two.py", source("two"))
    workspace(folder).load()
    assert names() == ["one", "two"]
    two = get_registry().get_function("two")
    assert two is not None
    assert (two.source, two.source_file, two.source_line) == ("workspace", "deep/er/two.py", 4)


def test_hidden_files_and_those_with_an_underscore_are_not_loaded(folder: Path, write: Write):
    for name in ("_private.py", ".hidden.py", "_folder/file.py", ".folder/file.py", "__pycache__/file.py"):
        write(name, "raise RuntimeError('must not be imported')")
    write("good.py", source("good"))
    space = workspace(folder)
    space.load()
    assert names() == ["good"]
    assert space.load_errors == []


def test_helpers_are_imported_as_seen_from_the_root(folder: Path, write: Write):
    write("_helpers/numbers_of_ours.py", "ANSWER = 42")
    write("lib_of_ours.py", "from _helpers.numbers_of_ours import ANSWER")
    write("deep/uses.py", source("uses") + "\nfrom lib_of_ours import ANSWER\n")
    space = workspace(folder)
    space.load()
    assert space.load_errors == []
    assert sys.modules["deep.uses"].ANSWER == 42


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("x = 1\nraise ValueError('because')\n", 2, "ValueError: because"),
        ("def broken(:\n", 1, "SyntaxError"),
        ("import a_module_that_is_not_there\n", 1, "ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit"),
        (source("Bad"), 4, "DefinitionError"),
    ],
)
def test_a_broken_file_takes_nothing_else_down(folder: Path, write: Write, text: str, line: int, reason: str):
    write("a_broken.py", text)
    write("good.py", source("good"))
    space = workspace(folder)
    space.load()
    assert names() == ["good"]
    (error,) = space.load_errors
    assert (error.file, error.line) == ("a_broken.py", line)
    assert reason in error.reason
    assert str(folder) not in error.reason


def test_functions_of_a_file_that_breaks_half_way_are_not_kept(folder: Path, write: Write):
    write("half.py", source("half") + "\nraise RuntimeError('later')\n")
    workspace(folder).load()
    assert names() == []


def test_an_error_in_a_helper_names_the_helper_too(folder: Path, write: Write):
    write("_bad_helper.py", "\n1 / 0\n")
    write("uses_it.py", "import _bad_helper\n")
    space = workspace(folder)
    space.load()
    (error,) = space.load_errors
    assert error.file == "uses_it.py"
    assert "_bad_helper.py, line 2" in error.reason


def test_two_functions_of_one_name_are_reported_with_both_places_and_the_first_stays(folder: Path, write: Write):
    write("a.py", source("same", "first"))
    write("b.py", source("same", "second"))
    write("c.py", source("other"))
    space = workspace(folder)
    space.load()
    assert names() == ["other", "same"]
    (error,) = space.load_errors
    assert error.file == "b.py"
    assert "a.same" in error.reason
    assert "b.same" in error.reason


@pytest.mark.parametrize("name", ["json.py", "pydantic.py", "shared/thing.py", "pytest/thing.py"])
def test_a_module_that_would_shadow_another_is_a_load_error(folder: Path, write: Write, name: str):
    write(name, source("shadow"))
    space = workspace(folder)
    space.load()
    assert names() == []
    (error,) = space.load_errors
    assert error.file == name
    assert "shadow" in error.reason


def test_a_file_whose_name_can_not_be_imported_is_a_load_error(folder: Path, write: Write):
    write("some.thing.py", source("thing"))
    space = workspace(folder)
    space.load()
    assert [error.file for error in space.load_errors] == ["some.thing.py"]


def test_home_is_a_second_folder_with_its_own_source(folder: Path, write: Write, tmp_path: Path):
    write("one.py", source("one"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.py").write_text(source("mine"))
    (home / "one.py").write_text(source("other_one"))
    space = workspace(folder, home=home)
    space.load()
    mine = get_registry().get_function("mine")
    assert mine is not None
    assert mine.source == "home"
    assert [error.file for error in space.load_errors] == ["one.py"]
    assert "same name" in space.load_errors[0].reason


def test_a_timeout_beyond_the_hosts_is_a_load_error(folder: Path, write: Write):
    write("slow.py", source("slow", more=", timeout_seconds=571"))
    write("fits.py", source("fits", more=", timeout_seconds=570"))
    space = workspace(folder, timeout=600)
    space.load()
    assert names() == ["fits"]
    assert "at most 570" in space.load_errors[0].reason


def test_a_host_without_a_bound_takes_any_timeout(folder: Path, write: Write):
    write("slow.py", source("slow", more=", timeout_seconds=86400"))
    workspace(folder).load()
    assert names() == ["slow"]


def test_schedules_and_sync_timeouts_that_nobody_waits_for_are_warned_of(
    folder: Path, write: Write, caplog: pytest.LogCaptureFixture
):
    write("timed.py", source("timed", more=', schedule="0 0 * * * *"'))
    write("patient.py", source("patient", more=", timeout_seconds=211"))
    with caplog.at_level(logging.WARNING, logger="shared.discovery"):
        workspace(folder).load()
    assert "timed has a schedule" in caplog.text
    assert "patient is sync and has timeout_seconds=211" in caplog.text


def test_a_changed_file_is_picked_up_without_restart(folder: Path, write: Write):
    write("flow.py", source("flow", "old"))
    space = workspace(folder, reload=True)
    space.load()
    function = get_registry().get_function("flow")
    assert function is not None
    assert function.function() == "old"

    # The same size within the same second is what a bytecode cache could not tell apart.
    write("flow.py", source("flow", "new"))
    assert not space.is_current
    space.load()
    function = get_registry().get_function("flow")
    assert function is not None
    assert function.function() == "new"
    assert space.is_current


def test_a_changed_helper_reaches_the_functions_that_use_it(folder: Path, write: Write):
    write("_values.py", "VALUE = 'old'")
    write("flow.py", source("flow") + "\nfrom _values import VALUE\n")
    space = workspace(folder, reload=True)
    space.load()
    write("_values.py", "VALUE = 'new'")
    space.load()
    assert sys.modules["flow"].VALUE == "new"


def test_deleted_and_mended_files_are_noticed(folder: Path, write: Write):
    gone = write("gone.py", source("gone"))
    write("broken.py", "1 / 0")
    space = workspace(folder, reload=True)
    space.load()
    assert (names(), len(space.load_errors)) == (["gone"], 1)
    gone.unlink()
    write("broken.py", source("mended"))
    space.load()
    assert (names(), space.load_errors) == (["mended"], [])


def test_without_reload_nothing_is_looked_at_again(folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch):
    write("flow.py", source("flow", "old"))
    space = workspace(folder)
    space.load()
    write("flow.py", source("flow", "new"))

    def walked(*_: object) -> None:
        raise AssertionError("the folder was walked")

    monkeypatch.setattr(os, "walk", walked)
    assert space.is_current
    space.load()
    function = get_registry().get_function("flow")
    assert function is not None
    assert function.function() == "old"


def test_a_missing_folder_is_an_empty_workspace(tmp_path: Path):
    space = workspace(tmp_path / "nowhere")
    space.load()
    assert names() == []
    assert space.load_errors == []


@pytest.mark.parametrize(
    ("code", "line", "advice"),
    [
        ('@workflow(name="f")\ndef f():\n    yield 1', 3, "a generator can't be decorated; collect what it yields"),
        ('@workflow(name="f", execution_mod="sync")\ndef f(): ...', 3, "did you mean 'execution_mode'?"),
        ('@workflow(name="f")\nclass F: ...', 3, "a class can't be decorated; decorate a function"),
        ('class F:\n    @workflow(name="f")\n    def f(self): ...', 4, "move the function out of its class"),
        ('@workflow(name="f")\ndef f(ctx, a): ...', 3, "write ctx: ExecutionContext"),
        ('@workflow(name="f")\ndef f(a, context): ...', 3, "write context: ExecutionContext, or put it first"),
        ('@workflow(name="f", schedule="every night")\ndef f(): ...', 3, "'every night' has 2 fields and needs five"),
        ('@workflow(name="f")\n@param("nam", type="string")\ndef f(name: str = ""): ...', 3, "did you mean 'name'?"),
        ('@workflow(name="f")\n@param("name")\ndef f(name): ...', 4, "missing a required argument: 'type'"),
    ],
)
def test_what_can_not_be_is_refused_with_file_line_and_what_to_write(
    folder: Path, write: Write, code: str, line: int, advice: str
):
    write("wrong.py", f"from shared.decorators import param, workflow\n\n{code}\n")
    write("good.py", source("good"))
    found = workspace(folder)
    found.load()
    (error,) = found.load_errors
    assert (error.file, error.line) == ("wrong.py", line)
    assert advice in error.reason
    assert [metadata.name for metadata in get_registry().get_all_functions()] == ["good"]


def test_a_data_provider_that_is_in_no_file_is_said_once_all_are_loaded(folder: Path, write: Write):
    head = "from shared.decorators import data_provider, param, workflow\n\n"
    asks = head + '@workflow(name="asks")\n@param("x", type="string", data_provider="{}")\ndef asks(x=""): ...\n'
    write("a.py", asks.format("tenantz"))
    write("z.py", head + '@data_provider(name="tenants")\ndef tenants():\n    return []\n')
    found = workspace(folder, reload=True)
    found.load()
    (error,) = found.load_errors
    assert error.file == "a.py"
    assert error.reason.endswith("did you mean 'tenants'?")
    assert get_registry().has_workflow("asks")
    write("a.py", asks.format("tenants"))
    found.load()
    assert found.load_errors == []
