"""Files that change while the process lives: what is good serves on, and what is broken is said."""

from __future__ import annotations

import sys

import pytest

from shared.discovery import Workspace
from shared.registry import get_registry
from tests.support.workspaces import (
    Folder,
    clean_imports,  # noqa: F401 - a fixture
    folder,  # noqa: F401 - a fixture
    function,
    names,
    source,
    value_of,
    workspace_of,
)


@pytest.fixture
def space(folder: Folder) -> Workspace:  # noqa: F811
    return workspace_of(folder.path, reload=True)


def errors(space: Workspace) -> list[str]:
    return [f"{error.file}: {error.reason}" for error in space.load_errors]


@pytest.mark.parametrize(
    "files",
    [
        {"team/billing/flow.py": source("flow", "old")},
        {"team/__init__.py": "", "team/billing/flow.py": source("flow", "old")},
        {"team/__init__.py": "", "team/billing/__init__.py": "", "team/billing/flow.py": source("flow", "old")},
    ],
    ids=["no packages", "a plain folder in a package", "packages"],
)
@pytest.mark.parametrize("edited", ["other.py", "team/billing/flow.py"])
def test_nested_folders_survive_an_edit_of_any_file(
    folder: Folder,  # noqa: F811
    space: Workspace,
    files: dict[str, str],
    edited: str,
):
    for name, text in files.items():
        folder.write(name, text)
    folder.write("other.py", source("other"))
    space.load()
    for _ in range(3):
        folder.write(edited, (folder.path / edited).read_text() + "\n# edited\n")
        space.load()
        assert (names(), errors(space)) == (["flow", "other"], [])
    folder.write("team/billing/flow.py", source("flow", "new"))
    space.load()
    assert value_of("flow") == "new"


def test_a_file_that_breaks_serves_on_as_it_was_and_is_named(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("flow.py", source("flow", "good"))
    space.load()
    folder.write("flow.py", "def broken(:\n")
    folder.write("other.py", source("other"))
    space.load()
    assert (names(), value_of("flow")) == (["flow", "other"], "good")
    assert [(error.file, error.line) for error in get_registry().load_errors] == [("flow.py", 1)]
    folder.write("other.py", source("other", "edited"))
    space.load()
    assert (value_of("flow"), value_of("other")) == ("good", "edited")
    folder.write("flow.py", source("flow", "mended"))
    space.load()
    assert (value_of("flow"), errors(space)) == ("mended", [])


def test_a_broken_helper_leaves_those_that_use_it_as_they_were(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("_values.py", "VALUE = 'good'")
    folder.write("flow.py", source("flow").replace("return 1", "from _values import VALUE; return VALUE"))
    folder.write("top.py", "from _values import VALUE\n" + source("top").replace("return 1", "return VALUE"))
    space.load()
    folder.write("_values.py", "1 / 0")
    space.load()
    assert (value_of("flow"), value_of("top")) == ("good", "good")
    assert any("ZeroDivisionError" in error for error in errors(space))
    folder.write("_values.py", "VALUE = 'mended'")
    space.load()
    assert (value_of("flow"), value_of("top"), errors(space)) == ("mended", "mended", [])


def test_a_function_that_can_no_longer_be_serves_on_as_it_was(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("flow.py", source("flow", "good"))
    space.load()
    folder.write("flow.py", source("flow", "bad", ", timeout_seconds=0.1"))
    space.load()
    assert value_of("flow") == "good"
    assert "timeout_seconds" in errors(space)[0]


def test_modules_that_nothing_has_changed_for_keep_what_they_have_made(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("_clients.py", "CLIENT = object()")
    folder.write("user.py", "from _clients import CLIENT\n" + source("user").replace("return 1", "return CLIENT"))
    folder.write("pkg/__init__.py", "STATE = object()")
    folder.write("pkg/inner.py", "from . import STATE\n" + source("inner").replace("return 1", "return STATE"))
    folder.write("other.py", source("other"))
    space.load()
    before = value_of("user"), value_of("inner")
    folder.write("other.py", source("other", "edited"))
    space.load()
    assert (value_of("user"), value_of("inner")) == before
    folder.write("pkg/__init__.py", "STATE = object() # edited")
    space.load()
    assert value_of("user") is before[0]
    assert value_of("inner") is not before[1]


def test_a_file_that_imports_by_names_made_at_run_time_is_loaded_with_every_change(
    folder: Folder,  # noqa: F811
    space: Workspace,
):
    folder.write("plugins/one.py", "VALUE = 'old'")
    folder.write(
        "flow.py",
        "import importlib\nPLUGIN = importlib.import_module('plugins.' + 'one')\n"
        + source("flow").replace("return 1", "return PLUGIN.VALUE"),
    )
    space.load()
    folder.write("plugins/one.py", "VALUE = 'new'")
    space.load()
    assert value_of("flow") == "new"


def test_a_name_stays_with_the_file_that_had_it(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("z.py", source("same", "first"))
    space.load()
    folder.write("a.py", source("same", "late") + source("own"))
    folder.write("b.py", source("good"))
    space.load()
    assert (names(), value_of("same")) == (["good", "own", "same"], "first")
    (error,) = errors(space)
    assert error.startswith("a.py: ")
    assert "z.same" in error
    assert "a.same" in error
    folder.write("z.py", source("same", "edited"))
    space.load()
    assert value_of("same") == "edited"
    folder.remove("z.py")
    space.load()
    assert (value_of("same"), names(), errors(space)) == ("late", ["good", "own", "same"], [])


def test_a_name_stays_with_a_file_that_is_broken_just_now(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("z.py", source("same", "first"))
    space.load()
    folder.write("z.py", "1 / 0")
    folder.write("a.py", source("same", "late"))
    space.load()
    assert value_of("same") == "first"
    assert [error.file for error in space.load_errors] == ["a.py", "z.py"]


@pytest.mark.parametrize("target", ["a.py", "zz.py", "_helper.py"])
def test_a_function_may_move_to_another_file_in_one_step(
    folder: Folder,  # noqa: F811
    space: Workspace,
    target: str,
):
    folder.write("m.py", source("moved", "old") + source("stays"))
    space.load()
    folder.write("m.py", source("stays") + ("import _helper\n" if target == "_helper.py" else ""))
    folder.write(target, source("moved", "new"))
    space.load()
    assert (names(), value_of("moved"), errors(space)) == (["moved", "stays"], "new", [])


def test_at_first_load_the_file_that_sorts_first_has_the_name(folder: Folder):  # noqa: F811
    folder.write("z.py", source("same", "z") + source("z_other"))
    folder.write("deep/b.py", source("same", "deep/b"))
    folder.write("a.py", "import z\n" + source("a_other"))
    space = workspace_of(folder.path)
    space.load()
    assert value_of("same") == "deep/b"
    assert names() == ["a_other", "same", "z_other"]
    (error,) = space.load_errors
    assert error.file == "z.py"
    assert "deep.b.same" in error.reason
    assert "z.same" in error.reason


def test_functions_say_which_file_they_stand_in_whoever_imports_it_first(folder: Folder):  # noqa: F811
    folder.write("a.py", "import z, _helper\n")
    folder.write("z.py", source("late"))
    folder.write("_helper.py", source("helped"))
    workspace_of(folder.path).load()
    assert function("late").source_file == "z.py"
    assert function("helped").source_file == "_helper.py"


def test_a_file_that_fails_while_another_imports_it_says_its_own_reason(folder: Folder):  # noqa: F811
    folder.write("a.py", "import z\n")
    folder.write("z.py", source("late") + "1 / 0\n")
    space = workspace_of(folder.path)
    space.load()
    assert names() == []
    assert [error.file for error in space.load_errors] == ["a.py", "z.py"]
    assert all("ZeroDivisionError" in error.reason for error in space.load_errors)


def test_renames_and_new_packages_are_followed(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("team/old.py", source("flow", "old"))
    folder.write("uses.py", "from team import old\n" + source("uses").replace("return 1", "return old.flow()"))
    space.load()
    assert value_of("uses") == "old"
    folder.remove("team/old.py")
    folder.write("team/new.py", source("flow", "new"))
    space.load()
    assert value_of("flow") == "new"
    assert value_of("uses") == "old"
    assert "uses.py" in errors(space)[0]
    folder.write("uses.py", "from team import new\n" + source("uses").replace("return 1", "return new.flow()"))
    folder.write("team/__init__.py", "")
    space.load()
    assert (value_of("uses"), errors(space)) == ("new", [])
    folder.remove("team/new.py")
    folder.remove("team/__init__.py")
    (folder.path / "team").rmdir()
    folder.write("team.py", "class new:\n    flow = staticmethod(lambda: 'file')\n")
    space.load()
    assert (names(), value_of("uses"), errors(space)) == (["uses"], "file", [])


def test_circular_and_relative_imports_are_loaded_anew(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("pkg/__init__.py", "from .a import A\n")
    folder.write("pkg/a.py", "from . import b\nA = 'a1'\n" + source("a_flow").replace("return 1", "return b.both()"))
    folder.write("pkg/b.py", "from . import a\nB = 'b1'\ndef both():\n    return a.A + B\n" + source("b_flow"))
    space.load()
    assert (value_of("a_flow"), errors(space)) == ("a1b1", [])
    folder.write("pkg/b.py", (folder.path / "pkg/b.py").read_text().replace("b1", "b2"))
    space.load()
    assert (value_of("a_flow"), errors(space)) == ("a1b2", [])
    folder.write("pkg/a.py", (folder.path / "pkg/a.py").read_text().replace("a1", "a2"))
    space.load()
    assert (value_of("a_flow"), errors(space)) == ("a2b2", [])


def test_pydantic_models_and_dataclasses_resolve_names_of_the_new_file(folder: Folder, space: Workspace):  # noqa: F811
    text = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from pydantic import BaseModel
from shared.decorators import workflow

class Line(BaseModel):
    {field}: int

class Order(BaseModel):
    lines: list[Line]

@dataclass
class Plain:
    kind: ClassVar[str] = "plain"
    size: int = 0

@workflow(name="order", execution_mode="sync")
def order(order: Order) -> str:
    return type(order.lines[0]).model_fields.keys()
"""
    folder.write("order.py", text.format(field="old"))
    space.load()
    folder.write("order.py", text.format(field="new"))
    space.load()
    module = sys.modules["order"]
    assert module.Order.model_validate({"lines": [{"new": 1}]}).lines[0].new == 1
    assert [name for name in module.Plain.__dataclass_fields__ if name == "size"] == ["size"]
    assert function("order").parameters[0].annotation is module.Order


def test_whatever_goes_wrong_in_a_reload_what_was_loaded_serves_on(
    folder: Folder,  # noqa: F811
    space: Workspace,
    monkeypatch: pytest.MonkeyPatch,
):
    folder.write("flow.py", source("flow", "good"))
    space.load()
    folder.write("flow.py", source("flow", "new"))

    def broken(*_: object) -> None:
        raise KeyError("inside")

    with monkeypatch.context() as patched:
        patched.setattr("shared.discovery.loader.source_files", broken)
        space.load()
    assert value_of("flow") == "good"
    assert space.is_current
    assert errors(space) == [".: the workspace can't be loaded: KeyError"]
    folder.write("flow.py", source("flow", "newest"))
    space.load()
    assert (value_of("flow"), errors(space)) == ("newest", [])
