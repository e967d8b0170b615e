"""`python3 -m dev adopt`: what it promises to somebody who moves a workspace over.

`former_workspace/` is one as the former system had it; its files end with .txt, so that no tool takes them for ours.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import codecs
import importlib.util
import io
import os
import shutil
import stat
import subprocess
import sys
import tokenize
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.adoption import former
from dev.adoption.here import here
from dev.adoption.loading import Loaded, load
from dev.adoption.plan import FilePlan, plan_of
from dev.adoption.tree import Tree, look
from dev.cli import main as dev
from dev.commands import adopt
from dev.examples import copy_examples
from shared.registry import FunctionRegistry, staging
from shared.testing import run

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = Path(__file__).parent / "former_workspace"
HERE = here()
# Each: what a file has, `=>`, what it is to have; `--` between them.
IMPORTS = [
    tuple(case.split("\n=>\n"))
    for case in (SAMPLE.parent / "former_imports.txt").read_text(encoding="utf-8").rstrip("\n").split("\n--\n")
]
FITTING = ("onboarding/new_user.py", "_directory.py", "data/licences.py", "ping.py", "oldest.py")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The sample workspace as its author had it."""
    return sample(tmp_path / "former")


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not depend on how the files load, which takes a second."""
    monkeypatch.setattr(adopt, "load", lambda *_: Loaded([], None, []))


def sample(folder: Path, *names: str) -> Path:
    for path in SAMPLE.rglob("*.txt"):
        name = path.relative_to(SAMPLE).as_posix().removesuffix(".txt")
        if not names or name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
    return folder


def command(path: Path | str, *, check: bool = False, force: bool = True) -> int:
    return adopt.main(argparse.Namespace(path=str(path), check=check, force=force))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def plan(folder: Path, content: str | bytes, name: str = "a.py") -> FilePlan:
    """What becomes of one file."""
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(raw)
    (found,) = plan_of(Tree(folder, python=[Path(name)]), HERE)
    return found


def rewritten(folder: Path, content: str) -> str:
    """The file as it is to be; that nothing would change a second time holds for all of them."""
    after = plan(folder, content).after
    assert after is not None
    assert plan(folder, after).after == after
    return after.decode()


def todos(folder: Path, content: str) -> list[tuple[int | None, str]]:
    return [(finding.line, finding.text) for finding in plan(folder, content).todos]


# A whole workspace.


def test_what_fits_is_rewritten_loads_and_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = sample(tmp_path / "former", *FITTING)
    assert command(folder) == 0
    said = capsys.readouterr().out
    assert "5 files: 5 rewritten, 5 fit; nothing left to do." in said
    assert f"{folder.as_posix()}/ping.py: rewritten\n" in said
    assert all(b"bifrost" not in content and b"engine" not in content for content in contents(folder).values())


def test_a_second_run_finds_nothing_more_to_rewrite(workspace: Path, capsys: pytest.CaptureFixture[str]):
    assert command(workspace) == 1
    once = contents(workspace)
    capsys.readouterr()
    assert command(workspace) == 1
    assert contents(workspace) == once
    assert "rewritten" not in capsys.readouterr().out


def test_check_says_the_same_and_changes_nothing(workspace: Path, capsys: pytest.CaptureFixture[str]):
    before = contents(workspace)
    assert command(workspace, check=True) == 1
    said = capsys.readouterr().out
    assert contents(workspace) == before
    assert "ping.py: would be rewritten\n" in said
    assert "6 would be rewritten" not in said
    # The places are those of the files as they are.
    assert "ping.py:1: import bifrost -> import shared.context; import shared.decorators" in said
    assert "ping.py:5: bifrost.workflow -> shared.decorators.workflow" in said


def test_the_places_are_those_of_the_rewritten_files(workspace: Path, capsys: pytest.CaptureFixture[str]):
    command(workspace)
    said = capsys.readouterr().out
    lines = (workspace / "report.py").read_text().splitlines()
    (place,) = [line for line in said.splitlines() if "get_integration does not exist" in line]
    assert "get_integration" in lines[int(place.split(":")[1]) - 1]


def test_check_of_what_fits_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = sample(tmp_path / "former", *FITTING)
    assert command(folder, check=True) == 1
    command(folder)
    assert command(folder, check=True) == 0
    assert "nothing left to do" in capsys.readouterr().out


def test_our_own_examples_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    examples = copy_examples(tmp_path / "shipped")
    before = contents(examples)
    assert command(examples, check=True) == 0
    assert "left to do" not in capsys.readouterr().out.replace("nothing left to do", "")
    assert contents(examples) == before


def test_what_does_not_exist_here_is_named_with_its_line_and_what_to_do(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    assert command(workspace, check=True) == 1
    said = capsys.readouterr().out
    for line, what, instead in [
        (4, "'monthly-report' is no name of a workflow here", "'monthly_report' would do"),
        (4, "@workflow has no argument 'timeout'", "did you mean 'timeout_seconds'?"),
        (4, "a retry_policy has no 'backoff'", "did you mean 'backoff_seconds'?"),
        (5, "parameters have no type 'number' here", "'float' is what comes closest"),
        (7, "bifrost.oauth.get does not exist here", "fetch the token yourself"),
        (8, "context.get_integration does not exist here", "fetch the token yourself"),
        (9, "bifrost.config.get does not exist here", "use context.get_config(KEY, DEFAULT), without await"),
        (10, "bifrost.files.write does not exist here", "tempfile.TemporaryDirectory()"),
        (11, "context.set_variable does not exist here", "a local variable does"),
        (12, "context.infos does not exist here", "did you mean info?"),
        (13, "bifrost.files.read does not exist here", "tempfile.TemporaryDirectory()"),
    ]:
        (found,) = [text for text in said.splitlines() if f"report.py:{line}: {what}" in text]
        assert instead in found
    assert "report.py: would be rewritten, 11 left to do" in said


def test_a_file_that_is_no_python_is_named_and_left_alone(workspace: Path, capsys: pytest.CaptureFixture[str]):
    before = (workspace / "broken.py").read_bytes()
    assert command(workspace) == 1
    said = capsys.readouterr().out
    assert (workspace / "broken.py").read_bytes() == before
    assert "broken.py: 1 left to do\n" in said
    assert f"broken.py:4: is no Python 3.{sys.version_info.minor}, and was left as it is: '(' was never closed" in said


def test_what_would_not_load_is_named_with_the_reason(workspace: Path, capsys: pytest.CaptureFixture[str]):
    (workspace / "json.py").write_text("x = 1\n")
    (workspace / "twice.py").write_text((SAMPLE / "ping.py.txt").read_text())
    (workspace / "wrong.py").write_text("\n\nraise ValueError('not today')\n")
    (workspace / "asks_wrong.py").write_text("import wrong\n")
    command(workspace)
    said = capsys.readouterr().out
    assert (
        "needs_a_package.py:1: does not load: ModuleNotFoundError: No module named 'a_package_that_nobody_has'" in said
    )
    assert "belongs into requirements.txt" in said
    assert "json.py: does not load: a module named 'json' exists in Python" in said
    assert "twice.py:6: does not load: DuplicateFunctionError" in said
    assert "wrong.py:3: does not load: ValueError: not today" in said
    assert "asks_wrong.py: would load once wrong.py does, which it imports" in said


def test_what_keeps_a_file_from_loading_is_said_once(workspace: Path, capsys: pytest.CaptureFixture[str]):
    command(workspace)
    said = capsys.readouterr().out
    assert "No module named 'bifrost'" not in said
    assert said.count("broken.py:") == 2


def test_loading_writes_nothing_into_the_workspace(tmp_path: Path):
    folder = sample(tmp_path / "former", "ping.py")
    (folder / "writes.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('made.txt').write_text('x')\n"
        "assert Path(__file__).with_name('read.txt').read_text() == 'there'\n"
    )
    (folder / "read.txt").write_text("there")
    before = contents(folder)
    assert command(folder, check=True) == 1
    assert contents(folder) == before


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_file_that_ends_python_takes_nothing_else_down(tmp_path: Path, end: str, capsys: pytest.CaptureFixture[str]):
    folder = sample(tmp_path / "former", *FITTING)
    (folder / "ends.py").write_text(f"import os\n{end}\n")
    assert command(folder) == 1
    said = capsys.readouterr().out
    assert "ends.py: does not load: it ended Python (exit code" in said
    assert "6 files: 5 rewritten, 5 fit; 1 thing left to do." in said


def test_loading_is_that_of_the_platform(tmp_path: Path):
    folder = sample(tmp_path / "former", *FITTING)
    command(folder)
    loaded = load(look(folder), plan_of(look(folder), HERE))
    names = {("onboarding.new_user", "new_user"), ("data.licences", "licences"), ("ping", "ping"), ("oldest", "oldest")}
    assert (loaded.failures, loaded.functions) == ([], names)


async def test_an_adopted_workflow_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = sample(tmp_path / "former", *FITTING)
    await asyncio.to_thread(command, folder)
    monkeypatch.syspath_prepend(folder)
    with staging(FunctionRegistry()):
        new_user = imported(folder / "onboarding" / "new_user.py").new_user
        result = await run(new_user, {"domain": "example.org"}, email="ada@example.org")
        assert (result.status, result.result) == (
            "Success",
            {
                "email": "ada@example.org",
                "licence": "none",
                "manager": "manager-of-ada@example.org",
                "by": "test@example.com",
            },
        )
        (line,) = [line for line in result.logs if line["message"] == "Onboarding"]
        assert line["data"] == {"email": "ada@example.org", "by": "test"}
        oldest = await run(imported(folder / "oldest.py").oldest)
        assert oldest.result == {"greeting": "Hello", "organization": None}
        assert [line["message"] for line in oldest.logs] == ["Greeting", "done"]


def imported(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"adopted_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Imports.


@pytest.mark.parametrize(("before", "after"), IMPORTS, ids=[before.split("\n")[0] for before, _ in IMPORTS])
def test_imports_come_from_here_and_nothing_else_of_the_file_changes(tmp_path: Path, before: str, after: str):
    assert rewritten(tmp_path, f"{before}\n") == f"{after}\n"


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("import bifrost\n", 1, "`bifrost`: nothing of it is used in this file: delete the import"),
        ("from bifrost import *\n", 1, "`from bifrost import *`: nothing of it is used in this file"),
        ("import bifrost\nx = bifrost\n", 2, "`bifrost` is used as a value here"),
        ("import bifrost\nbifrost.workflow = 1\n", 2, "`bifrost.workflow` is shared.decorators.workflow here"),
        ("import bifrost\nshared = 1\nbifrost.param\n", 3, "`bifrost.param` is shared.decorators.param here"),
        ("try:\n    import bifrost\nexcept ImportError:\n    bifrost = None\nbifrost.param\n", 5, "`bifrost.param` is"),
        ("from bifrost import secrets\nsecrets.get\nsecrets.get\n", 2, "bifrost.secrets.get does not exist here: use"),
        ("from bifrost.config import config\nconfig.get\n", 2, "bifrost.config.get does not exist here"),
        ("from shared.error_handling import ValidationError\n", 1, "raise shared.errors.UserError"),
        ("from shared.error_handling import ConfigurationError\n", 1, "raise shared.errors.UserError"),
        ("from shared.storage.tables import X\n", 1, "it belongs to the inside of the former system"),
        ("from bifrost import FormPublic\n", 1, "it is a model of the former API"),
        ("import importlib\nimportlib.import_module('bifrost.config')\n", 2, "'bifrost.config' names a module"),
        ("import sys\nsys.modules['bifrost'] = None\n", 2, "'bifrost' names a module of the former system"),
        ("from unittest.mock import patch\npatch('engine.shared.context.Caller')\n", 2, "write shared.context.Caller"),
    ],
)  # fmt: skip
def test_an_import_that_can_not_be_rewritten_is_explained(tmp_path: Path, content: str, line: int, said: str):
    rewritten(tmp_path, content)
    assert [place for place, text in todos(tmp_path, content) if said in text] == [line], todos(tmp_path, content)


@pytest.mark.usefixtures("no_loading")
def test_what_is_used_often_is_said_once_with_all_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.py").write_text("from bifrost import secrets, workflow\nsecrets.get\nworkflow\nsecrets.get\n")
    command(tmp_path, check=True)
    assert capsys.readouterr().out.count("a.py:2: bifrost.secrets.get") == 1
    command(tmp_path)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "a.py:3: bifrost.secrets.get" in line]
    assert line.endswith("(also in line 5)")


def test_modules_of_the_workspaces_own_are_its_own(tmp_path: Path):
    for name in ("sdk.py", "src.py", "engine.py"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "a.py").write_text("from sdk.config import x\nfrom src.sdk.context import y\nimport engine.shared.z\n")
    assert not any(found.changes or found.findings for found in plan_of(look(tmp_path), HERE))


def test_a_star_import_gives_what_other_files_take_from_it(tmp_path: Path):
    (tmp_path / "base.py").write_text("from bifrost import *\n")
    (tmp_path / "a.py").write_text("from base import workflow\nfrom base import UserError as U\n")
    base = plan_of(look(tmp_path), HERE)[1]
    assert base.after == b"from shared.decorators import workflow\nfrom shared.errors import UserError\n"
    (tmp_path / "b.py").write_text("from base import *\n")
    after = plan_of(look(tmp_path), HERE)[2].after
    assert after is not None
    assert b"data_provider, param, workflow" in after


def test_a_module_that_other_files_take_from_here_stays(tmp_path: Path):
    (tmp_path / "base.py").write_text("import bifrost\nbifrost.workflow\n")
    (tmp_path / "a.py").write_text("from base import bifrost\n")
    base = plan_of(look(tmp_path), HERE)[1]
    assert not base.changes
    assert "other files import `bifrost` from this one" in base.todos[0].text


# The context.


CONTEXT = "from shared.context import ExecutionContext\ndef f(c: ExecutionContext):\n    "


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c.executed_by", "c.user_id"),
        ("f'{c.executed_by_email} {c.executed_by_name}'", "f'{c.email} {c.name}'"),
        ("c.caller.email, c.org, c.org.org_id", "c.email, c.organization, c.organization.id"),
        ("c.organization.org_id.upper()", "c.organization.id.upper()"),
        ("c._track_integration_call(1, status_code=2)", "c.track_integration_call(1, status=2)"),
        ("c.info('a', {'b': 1})  # why", "c.info('a', **{'b': 1})  # why"),
        ("c.log('error', 'a')", "c.error('a')"),
        ("c.log('a')", "c.info('a')"),
        ("c.log(\n    'debug',\n    'a',  # b\n    data={'c': 1},\n)", "c.debug(\n    'a',  # b\n    **{'c': 1},\n)"),
        ("c.info('a', b=1)", "c.info('a', b=1)"),
        ("c.info(('a'),  # (b\n  {'b': 1})", "c.info(('a'),  # (b\n  **{'b': 1})"),
        ("def g(c): return c.executed_by", "def g(c): return c.executed_by"),
        ("(lambda: c.executed_by)()", "(lambda: c.user_id)()"),
        ("[c for c in d if c.executed_by]", "[c for c in d if c.executed_by]"),
    ],
)  # fmt: skip
def test_members_of_the_context_get_their_names_here(tmp_path: Path, before: str, after: str):
    assert rewritten(tmp_path, f"{CONTEXT}{before}\n") == f"{CONTEXT}{after}\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("c.info('a', ({'b': 1}))", "data are given by name here"),
        ("c.info(('a'), {'b': 1, 'message': 1})", "data are given by name here"),
        ("c.log(('info'), 'a')", "use context.info(MESSAGE, **DATA)"),
        ("c.log('info', 'a', data=({'b': 1}))", "use context.info(MESSAGE, **DATA)"),
        ("c.log('info',  # why\n        'a')", "use context.info(MESSAGE, **DATA)"),
        ("c.info('a', data)", "data are given by name here: context.info(MESSAGE, **DATA)"),
        ("c.info('a', {'message': 1})", "data are given by name here"),
        ("c.log('critical', 'a')", "use context.info(MESSAGE, **DATA)"),
        ("c.log(level, 'a')", "use context.info(MESSAGE, **DATA)"),
        ("c.executed_by = 1", "context.executed_by does not exist here: it is context.user_id"),
        ("c.organization.is_provider", "ask context.is_platform_admin"),
        ("c.set_scope('a')", "a run stays in its organization"),
        ("c.get_confg('a')", "did you mean get_config?"),
        ("c.zzz", "docs/context.md has what there is"),
    ],
)
def test_members_of_the_context_that_are_not_here_are_explained(tmp_path: Path, content: str, said: str):
    rewritten(tmp_path, f"{CONTEXT}{content}\n")
    assert [line for line, text in todos(tmp_path, f"{CONTEXT}{content}\n") if said in text] == [3]


def test_a_parameter_that_is_only_called_context_may_be_anything(tmp_path: Path):
    content = "from shared.errors import UserError\ndef verify(context, host):\n    context.wrap_socket(host)\n"
    assert todos(tmp_path, content) == []
    content = "from shared.errors import UserError\ndef helper(context):\n    context.get_oauth_connection('a')\n"
    assert len(todos(tmp_path, content)) == 1


# The decorators.


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("@workflow(name='a', timout_seconds=1)", "no argument 'timout_seconds': did you mean 'timeout_seconds'?"),
        ("@workflow(name='a', zzz=1)", "docs/decorators.md has those that there are"),
        ("@workflow(name='a', expose_in_forms=True)", "a form can be linked to any workflow"),
        ("@workflow(name='a', execution_mode='scheduled')", "execution_mode is 'sync' or 'async' here"),
        ("@workflow(name='Two Words')", "'two_words' would do"),
        ("@data_provider(name='a', tags=['b'])", "only workflows have tags of their own"),
        ("@param('a', 'strng')\n@workflow(name='a')", "'string' is what comes closest"),
        ("@param('a', str)\n@workflow(name='a')", "type='string'"),
        ("@param('a', type='string', default=1)\n@workflow(name='a')", "write default_value"),
    ],
)  # fmt: skip
def test_what_the_decorators_do_not_know_is_explained(tmp_path: Path, content: str, said: str):
    content = f"from shared.decorators import *\n{content}\ndef f(a): ...\n"
    content = content.replace("import *", "import data_provider, param, workflow")
    assert [line for line, text in todos(tmp_path, content) if said in text] == [2]


def test_a_function_that_would_not_be_registered_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.py").write_text(
        "from shared.decorators import workflow\n\ndef quiet(f): return lambda g: g\n\n"
        "quietly = quiet(workflow)\n\n@workflow(name='a')\ndef a(): ...\n"
    )
    assert command(tmp_path) == 0
    (tmp_path / "b.py").write_text(
        "from shared.decorators import workflow\nfrom shared.registry import get_registry\n\n@workflow(name='b')\n"
        "def b(): ...\n\nget_registry().registered.pop()\n"
    )
    assert command(tmp_path) == 1
    assert "b.py:4: b is decorated, and would not be registered here" in capsys.readouterr().out


def test_every_advice_can_be_given_today():
    advices = [*former.NAMES.values(), *former.CONTEXT.values(), *former.ARGUMENTS.values()]
    assert all(former.sentence(advice, HERE) for advice in advices)
    for needed in {needed for advice in advices for needed, _ in advice if needed is not None}:
        HERE.has(needed)  # asks for nothing that is neither the context's nor a decorator's
    assert all(name in former.NAMES or name[0].isupper() for name in former.GONE)


def test_what_is_said_to_be_here_is_here():
    for module, name in former.PLACES.values():
        assert hasattr(importlib.import_module(module), name)
    assert {name.partition(".")[0] for name in former.CONTEXT_NAMES.values()} <= HERE.context
    assert not HERE.context & {former[0] for former in former.CONTEXT_NAMES}
    assert set(former.TYPES.values()) <= set(HERE.parameter_types)


# Files as they are.


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_encoding_byte_order_mark_and_line_ends_stay(tmp_path: Path, encoding: str, end: str):
    cookie = f"# -*- coding: {encoding} -*-" if encoding != "utf-8-sig" else "# ü"
    lines = [cookie, "from bifrost import workflow, UserError  # ü", "x = 'ä'; import bifrost; 'ö', bifrost.param", ""]
    after = [
        cookie,
        "from shared.decorators import workflow",
        "from shared.errors import UserError  # ü",
        "x = 'ä'; import shared.decorators; 'ö', shared.decorators.param",
        "",
    ]
    found = plan(tmp_path, end.join(lines).encode(encoding))
    assert found.after == end.join(after).encode(encoding)
    assert found.todos == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"from bifrost import workflow\nx = '\xff'\n", ", and was left as it is: is not utf-8"),
        (b"# coding: martian\nfrom bifrost import workflow\n", "unknown encoding"),
        (b"from bifrost import workflow\n\0", "is no Python"),
        (b"from bifrost import workflow\nx = " + b"(" * 10_000 + b")" * 10_000, "is no Python"),
        (b"from bifrost import workflow\nx = " + b"-" * 100_000 + b"1", ""),
    ],
    ids=["bytes", "cookie", "null", "parentheses", "deep"],
)
@pytest.mark.usefixtures("no_loading")
def test_what_can_not_be_read_is_named_and_left_alone(
    tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "a.py").write_bytes(content)
    assert command(tmp_path) == 1
    assert (tmp_path / "a.py").read_bytes() == content
    assert said in capsys.readouterr().out


@pytest.mark.usefixtures("no_loading")
def test_a_read_only_file_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = sample(tmp_path / "former", "ping.py", "oldest.py")
    (folder / "ping.py").chmod(0o444)
    before = (folder / "ping.py").read_bytes()
    assert command(folder) == 1
    assert (folder / "ping.py").read_bytes() == before
    said = capsys.readouterr().out
    assert "ping.py: should be rewritten, but is read-only" in said
    assert "2 files: 1 rewritten, 1 fits; 1 thing left to do." in said


@pytest.mark.usefixtures("no_loading")
def test_a_file_keeps_its_mode_and_is_replaced_whole(tmp_path: Path):
    folder = sample(tmp_path / "former", "ping.py")
    (folder / "ping.py").chmod(0o750)
    with (folder / "ping.py").open("rb") as opened_before:
        assert command(folder) == 0
        assert opened_before.read() == (SAMPLE / "ping.py.txt").read_bytes()
    assert stat.S_IMODE((folder / "ping.py").stat().st_mode) == 0o750
    assert [path.name for path in folder.iterdir()] == ["ping.py"]


def test_a_file_that_changed_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = sample(tmp_path / "former", "ping.py")

    def saved_by_an_editor(*_: object) -> Loaded:
        (folder / "ping.py").write_text("mine\n")
        return Loaded([], None, [])

    monkeypatch.setattr(adopt, "load", saved_by_an_editor)
    assert command(folder) == 1
    assert (folder / "ping.py").read_text() == "mine\n"
    assert "was changed meanwhile; run this again" in capsys.readouterr().out


@pytest.mark.usefixtures("no_loading")
def test_a_disk_that_is_full_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = sample(tmp_path / "former", "ping.py")
    before = contents(folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert command(folder) == 1
    assert contents(folder) == before
    assert "should be rewritten, but can't be replaced: No space left on device" in capsys.readouterr().out


@pytest.mark.usefixtures("no_loading")
def test_links_out_of_the_folder_are_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    outside = sample(tmp_path / "outside", "ping.py", "data/licences.py")
    folder = sample(tmp_path / "former", "oldest.py")
    (folder / "link.py").symlink_to(outside / "ping.py")
    (folder / "linked").symlink_to(outside / "data", target_is_directory=True)
    (folder / "round").symlink_to(folder, target_is_directory=True)
    (folder / "same.py").symlink_to(folder / "oldest.py")
    before = contents(outside)
    assert command(folder) == 0
    assert contents(outside) == before
    assert (folder / "link.py").is_symlink()
    said = capsys.readouterr().out
    assert "link.py: note: a link that leads out of the folder" in said
    assert "1 file: 1 rewritten, 1 fits" in said
    assert (folder / "same.py").read_text() == (folder / "oldest.py").read_text()


@pytest.mark.usefixtures("no_loading")
def test_environments_and_caches_are_not_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in (".git", ".venv", "node_modules", "a/__pycache__", "my_environment"):
        sample(tmp_path / name, "ping.py")
    (tmp_path / "my_environment" / "pyvenv.cfg").touch()
    sample(tmp_path, "oldest.py")
    before = contents(tmp_path)
    assert command(tmp_path) == 0
    assert {name for name, content in contents(tmp_path).items() if content != before[name]} == {"oldest.py"}
    assert "1 file:" in capsys.readouterr().out


@pytest.mark.usefixtures("no_loading")
def test_forms_and_stand_ins_for_the_former_package_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "onboarding.form.json").write_text("{}")
    (tmp_path / "bifrost.pyi").touch()
    (tmp_path / "bifrost.py").touch()
    (tmp_path / ".bifrost").mkdir()
    assert command(tmp_path) == 1
    said = capsys.readouterr().out
    assert "forms/onboarding.form.json: forms are not read from files here: POST it to /api/forms" in said
    assert "bifrost.pyi: stands in for the former package: delete it" in said
    assert "bifrost.py: stands in for the former package: delete it" in said
    assert "note: schedules, endpoints and time limits in .bifrost/ are arguments of @workflow here" in said


@pytest.mark.usefixtures("no_loading")
def test_defaults_that_differ_are_noted_and_do_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    content = "from bifrost import workflow\n@workflow(name='a', endpoint_enabled=True)\ndef a(): ...\n"
    (tmp_path / "a.py").write_text(content)
    assert command(tmp_path) == 0
    said = capsys.readouterr().out
    assert "a.py:2: note: its endpoint answers 202 at once here" in said
    assert "note: 1 workflow leaves timeout_seconds out: that is 300 s here" in said


# What can be had again.


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = sample(tmp_path / "repository" / "work space", "ping.py", "oldest.py")
    git(tmp_path / "repository", "init", "--quiet")
    git(tmp_path / "repository", "add", "--all")
    git(tmp_path / "repository", "commit", "--quiet", "--message", "as it was")
    return folder


@pytest.mark.usefixtures("no_loading")
def test_what_git_has_is_rewritten_and_git_diff_is_named(repository: Path, capsys: pytest.CaptureFixture[str]):
    (repository / "notes.md").write_text("my own change, in no file that is rewritten")
    assert command(repository, force=False) == 0
    assert "Look at what was changed: git diff -- " in capsys.readouterr().out


@pytest.mark.usefixtures("no_loading")
@pytest.mark.parametrize("how", ["changed", "staged", "untracked", "ignored", "renamed"])
def test_what_git_does_not_have_is_not_rewritten_unless_forced(
    repository: Path, how: str, capsys: pytest.CaptureFixture[str]
):
    path = repository / "ping.py"
    if how in ("changed", "staged"):
        path.write_text(path.read_text() + "# mine\n")
    if how == "staged":
        git(repository, "add", "--all")
    if how == "renamed":
        git(repository, "mv", "ping.py", "pong.py")
        path = repository / "pong.py"
    if how in ("untracked", "ignored"):
        path = repository / "new" / "other.py"
        path.parent.mkdir()
        path.write_text("from bifrost import param\n")
    if how == "ignored":
        (repository / ".gitignore").write_text("new/\n")
    before = contents(repository)
    assert command(repository, force=False) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"  {path.as_posix()}\n" in said.err
    assert "oldest.py" not in said.err
    assert contents(repository) == before
    assert command(repository, check=True, force=False) == 1
    assert command(repository, force=True) == 0
    assert contents(repository) != before


@pytest.mark.usefixtures("no_loading")
@pytest.mark.parametrize("is_there", [True, False], ids=["no repository", "no git"])
def test_without_git_nothing_is_rewritten_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool, capsys: pytest.CaptureFixture[str]
):
    folder = sample(tmp_path / "former", *FITTING)
    if not is_there:
        monkeypatch.setenv("PATH", "")
    before = contents(folder)
    assert command(folder, force=False) == 2
    assert "is in no git repository" in capsys.readouterr().err
    assert contents(folder) == before
    assert command(folder, force=True) == 0
    # With nothing to rewrite there is nothing to lose.
    assert command(folder, force=False) == 0


@pytest.mark.parametrize(
    ("path", "said"), [("nowhere", "does not exist"), ("file.py", "is no folder"), ("empty", "has no Python files")]
)
def test_a_folder_that_is_none_is_wrong_use(tmp_path: Path, path: str, said: str, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file.py").touch()
    (tmp_path / "empty").mkdir()
    assert command(tmp_path / path) == 2
    assert capsys.readouterr().err == f"{(tmp_path / path).as_posix()} {said}\n"


def test_the_platform_itself_is_no_workspace(capsys: pytest.CaptureFixture[str]):
    assert command(ROOT, check=True) == 2
    assert command(ROOT.parent, check=True) == 2
    assert capsys.readouterr().err.count("is the platform itself") == 2


@pytest.mark.usefixtures("no_loading")
def test_what_files_hold_does_nothing_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a\x1b[2J.py").write_text(
        "from shared.context import ExecutionContext as C\ndef f(c: C): c.info('\x1b[2J', {'a': 1})\n"
    )
    command(tmp_path)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["adopt"], ["adopt", "a", "b"], ["adopt", "a", "--chek"]])
def test_wrong_arguments_are_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        dev(arguments)
    assert ended.value.code == 2
    assert "usage: python3 -m dev" in capsys.readouterr().err


def test_the_former_package_is_no_name_of_ours():
    assert importlib.util.find_spec("bifrost") is None
    assert not any("import bifrost" in path.read_text() for path in (ROOT / "shared").rglob("*.py"))


# Whatever a file looks like.

MOVED = sorted(former.PLACES)
LEFT = ["config", "oauth", "files", "ValidationError", "Role"]
MODULES = {
    "bifrost": [*MOVED, *LEFT],
    "bifrost.decorators": ["workflow", "param"],
    "engine.shared.decorators": ["workflow", "data_provider", "param"],
    "engine.shared.context": ["OrganizationContext", "ExecutionContext", "Caller"],
    "shared.context": ["OrganizationContext", "Caller"],
    "shared.models": ["ExecutionStatus", "WorkflowParameter"],
    "shared.error_handling": ["ValidationError"],
    "os": ["path", "sep"],
}
KEEP = st.text("aü# '\"\\(){}", max_size=12).map(lambda text: f"kept = {text!r}  # kept {text}")


@st.composite
def from_imports(draw: st.DrawFn) -> str:
    module = draw(st.sampled_from(sorted(MODULES)))
    names = draw(st.lists(st.sampled_from(MODULES[module]), min_size=1, max_size=5, unique=True))
    items = [f"{name} as {name[0]}{index}" if draw(st.booleans()) else name for index, name in enumerate(names)]
    style = draw(st.sampled_from(["plain", "parens", "lines", "comments", "backslash"]))
    if style == "plain":
        return f"from {module} import {', '.join(items)}"
    if style == "parens":
        return f"from {module} import ({', '.join(items)})"
    if style == "backslash":
        return f"from {module} \\\n  import {', '.join(items)}"
    inner = "".join(f"        {item},{'  # about ' + item if style == 'comments' else ''}\n" for item in items)
    head = "  # at the head" if style == "comments" and draw(st.booleans()) else ""
    tail = "        # at the end\n" if style == "comments" and draw(st.booleans()) else ""
    return f"from {module} import ({head}\n{inner}{tail})"


def plain_imports() -> st.SearchStrategy[str]:
    names = st.sampled_from(
        ["bifrost", "bifrost as b", "engine.shared.context as c", "engine.shared.decorators", "shared.context", "os"]
    )
    return st.lists(names, min_size=1, max_size=3, unique=True).map(lambda parts: f"import {', '.join(parts)}")


USES = [
    "bifrost.workflow", "bifrost.OrganizationContext", "bifrost.config", "b.UserError", "b . param", "b.oauth.x",
    "c.OrganizationContext", "c.Caller", "engine.shared.decorators.param", "workflow", "ExecutionContext",
    "f'{b.workflow}'", "shared.context.Caller", "[b.param for b in 'x']", "param", "oauth.x",
]  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file of imports in all their forms; each use of a name is kept in SEEN, or the error that it gave."""
    lines: list[str] = [draw(st.sampled_from(["", '"""About."""', "from __future__ import annotations"]))]
    for number in range(draw(st.integers(1, 6))):
        where = draw(st.sampled_from(["top", "try", "if", "semicolon", "function", "class", "nested", "inline"]))
        forms = [from_imports(), plain_imports()]
        if where not in ("function", "class", "nested"):
            forms.append(st.just("from bifrost import *"))
        statement = draw(st.one_of(forms))
        use = f"see({number}, lambda: {draw(st.sampled_from(USES))})"
        inside = statement.replace("\n", "\n    ")
        if where == "top":
            lines += [f"{statement}  # beside", use]
        elif where == "semicolon":
            lines += [f"x = 'ü'; {statement}; y = 2", use]
        elif where == "inline":
            lines += [f"if x_is_there: {statement}", use]
        elif where == "if":
            lines += [f"if x_is_there:\n    {inside}\n    {use}"]
        elif where == "try":
            lines += [f"try:\n    {inside}\n    {use}\nexcept ImportError:\n    see({number}, lambda: 'no import')"]
        elif where == "class":
            now = use.replace("lambda: ", "const(").removesuffix(")") + "))"
            lines += [f"class C{number}:\n    {inside}\n    try:\n        {now}\n    except FAILED as error:"]
            lines += [f"        see({number}, const(type(error)))"]
        elif where == "nested":
            taken = draw(st.sampled_from(["shared", "bifrost", "b", "x"]))
            lines += [
                f"def f{number}({taken}='mine'):\n    {inside}\n    def g():\n        {use}\n    g()\nf{number}()"
            ]
        else:
            lines += [f"def f{number}():\n    {inside}\n    {use}\nsee({number}, f{number})"]
        lines.append(draw(KEEP))
    return "\n".join([*lines, ""])


class Ours(types.ModuleType):
    """A module of the former system in which everything that is here too is ours."""


def former_modules(ours: Mapping[str, Any]) -> dict[str, types.ModuleType]:
    found: dict[str, types.ModuleType] = {}
    for dotted, names in [*MODULES.items(), ("engine.shared", []), ("engine", []), ("shared", []), ("sdk", [])]:
        if dotted != "os":
            module = found[dotted] = Ours(dotted)
            for name in names:
                setattr(module, name, ours[name])
    for dotted, module in found.items():
        parent, _, name = dotted.rpartition(".")
        if parent:
            setattr(found[parent], name, module)
    return found


OURS = {name: getattr(sys.modules[module], ours) for name, (module, ours) in former.PLACES.items()}
OURS |= {name: types.SimpleNamespace(x=f"the former {name}") for name in LEFT}
FORMER = former_modules(OURS)


FAILED = (NameError, UnboundLocalError, AttributeError)


def seen_by(content: str, modules: Mapping[str, types.ModuleType]) -> list[tuple[int, object]]:
    """What a file sees in its names, in a world that has these modules besides Python's."""
    seen: list[tuple[int, object]] = []

    def see(number: int, look: Callable[[], object]) -> None:
        try:
            found = look()
        except FAILED as error:
            found = type(error)
        seen.append((number, found))

    def import_(name: str, _globals: object = None, _locals: object = None, wanted: Any = (), level: int = 0) -> Any:
        if name in modules or name.split(".")[0] in ("bifrost", "engine"):
            return modules[name] if wanted else modules[name.split(".")[0]]
        return __import__(name, None, None, wanted, level)

    import builtins

    world = {**vars(builtins), "__import__": import_}
    names = {"__builtins__": world, "see": see, "const": lambda value: lambda: value, "FAILED": FAILED}
    names |= {"x_is_there": True, "__name__": "a"}
    exec(compile(content, "a.py", "exec"), names)
    return seen


def comments(content: str) -> Counter[str]:
    tokens = tokenize.generate_tokens(io.StringIO(content).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def kept(content: str) -> Iterator[str]:
    return (line for line in content.split("\n") if line.startswith("kept"))


@given(content=files(), bom=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_a_rewritten_file_means_the_same_and_is_not_rewritten_again(
    tmp_path_factory: pytest.TempPathFactory, content: str, bom: bool, end: str
):
    folder = tmp_path_factory.getbasetemp() / "generated"
    folder.mkdir(exist_ok=True)
    raw = (codecs.BOM_UTF8 if bom else b"") + content.replace("\n", end).encode()
    first = plan(folder, raw)
    assert first.after is not None
    assert first.after.startswith(codecs.BOM_UTF8) == bom
    assert first.after.count(b"\n") == first.after.count(end.encode())
    after = first.after.decode("utf-8-sig").replace("\r\n", "\n")
    ast.parse(after)
    assert not any("by hand" in finding.text for finding in first.todos)
    # Nothing is lost of what is not an import.
    assert comments(content) - comments(after) == Counter()
    assert list(kept(content)) == list(kept(after))
    # Names stand for what they stood for; what is gone is still asked of the former modules.
    left = {name: module for name, module in FORMER.items() if name.split(".")[0] != "shared"}
    left["shared.error_handling"] = FORMER["shared.error_handling"]
    before = seen_by(content, FORMER)
    now = seen_by(after, left)
    assert [number for number, _ in now] == [number for number, _ in before]
    # What failed may work now: a use that stood before its import, say.
    assert all(ours == theirs for ours, theirs in zip(now, before, strict=True) if theirs[1] not in FAILED)
    # Once is enough, and what is left to do is the same.
    second = plan(folder, first.after)
    assert second.after == first.after
    assert Counter(finding.text for finding in second.todos) == Counter(finding.text for finding in first.todos)


class FormerLog:
    """The log of a context as the former system had it."""

    def __init__(self) -> None:
        self.lines: list[object] = []
        self.user_id = self.executed_by = "ada"

    def log(self, level: str, message: str | None = None, data: dict[str, object] | None = None) -> None:
        self.lines.append((level, message, data or {}) if message is not None else ("info", level, {}))

    def info(self, message: str, data: dict[str, object] | None = None) -> None:
        self.log("info", message, data)

    def error(self, message: str, data: dict[str, object] | None = None) -> None:
        self.log("error", message, data)


class OurLog(FormerLog):
    """The log of a context here, where the tests of the context say that it is so."""

    def info(self, message: str, **data: object) -> None:
        self.lines.append(("info", message, data))

    def error(self, message: str, **data: object) -> None:
        self.lines.append(("error", message, data))


MESSAGES = st.sampled_from(["'a'", "('a' 'b')", "f'{c.executed_by}'", "'a' + str(1)", "c.executed_by", "'info'"])
DATA = st.sampled_from(["{}", "{'b': c.executed_by}", "{'b': {'c': 1}, 'd-e': 2}", "({'b': 1})", "dict(b=1)", "data"])


@st.composite
def log_calls(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(["log", "info", "error"]))
    arguments = [draw(MESSAGES)]
    if name == "log" and draw(st.booleans()):
        arguments.insert(0, draw(st.sampled_from(["'info'", "'error'", "('info')", "level"])))
    if draw(st.booleans()) and (name != "log" or len(arguments) > 1):
        # `data=` means something here too, and stays: that only log() was given it can be seen.
        form = draw(st.sampled_from(["", "data=", "data = "])) if name == "log" else ""
        arguments.append(form + draw(DATA))
    between = draw(st.sampled_from([", ", ",\n        ", ",  # why\n        ", "  ,"]))
    return f"c.{name}({between.join(arguments)}{draw(st.sampled_from(['', ',', ' ']))})"


@given(calls=st.lists(log_calls(), min_size=1, max_size=4))
def test_log_calls_that_are_rewritten_write_the_same(tmp_path_factory: pytest.TempPathFactory, calls: list[str]):
    folder = tmp_path_factory.getbasetemp() / "generated"
    folder.mkdir(exist_ok=True)
    body = "\n    ".join(calls)
    before = (
        f"from shared.context import ExecutionContext as C\ndef f(c: C, level='info', data={{'x': 1}}):\n    {body}\n"
    )
    found = plan(folder, before)
    assert found.after is not None
    assert plan(folder, found.after).after == found.after
    assert comments(before) == comments(found.after.decode())
    if not found.todos:
        logs: list[list[object]] = []
        for content, context in ((before, FormerLog()), (found.after.decode(), OurLog())):
            names: dict[str, Any] = {}
            exec(content, names)
            names["f"](context)
            logs.append(context.lines)
        assert logs[0] == logs[1]
