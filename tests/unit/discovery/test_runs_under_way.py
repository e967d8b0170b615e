"""Runs that go on while files change: they see the code that they began with, whichever way they look."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from shared.context import Caller
from shared.discovery import Workspace
from shared.engine import ExecutionRequest, execute
from shared.registry import get_registry
from tests.support import workspaces
from tests.support.workspaces import (
    Folder,
    clean_imports,  # noqa: F401 - a fixture
    folder,  # noqa: F401 - a fixture
    workspace_of,
)

# Python warns of forking a process that has threads; that these pools do so is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")

POOL = """
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

from shared.decorators import workflow
from tests.unit.discovery.test_runs_under_way import GATES

VERSION = {version!r}

class Item:
    def __init__(self, value):
        self.value = value

def work(item):
    return Item(f"{{item.value}} by {{VERSION}}")

def through(pool):
    result = pool.submit(work, Item("made")).result()
    assert type(result) is Item
    assert type(pickle.loads(pickle.dumps(Item(1)))) is Item
    return result.value

@workflow(name="pooled", timeout_seconds=60)
def pooled():
    gate = GATES.pop()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as early:
        first = through(early)
        gate.begun.set()
        gate.edited.wait(30)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as late:
            return [first, through(early), through(late)]
"""

LAZY = """
from shared.decorators import workflow
from tests.unit.discovery.test_runs_under_way import GATES, at_once

@workflow(name="lazy", timeout_seconds=60)
{kind} lazy():
    import asyncio
    gate = GATES.pop()
    from _helper import early
    gate.begun.set()
    {wait}(gate.edited.wait, 30)
    import importlib, sys
    from _helper import late
    import _helper
    return [early(), late(), _helper.late(), importlib.import_module("_helper").VERSION, sys.modules["_helper"].VERSION]
"""

HELPER = """
VERSION = {version!r}
def early():
    return VERSION
def late():
    return VERSION
"""


class Gate:
    """Between a run that waits and the test that edits a file meanwhile."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.edited = threading.Event()


GATES: list[Gate] = []


def at_once(function: Callable[..., object], *args: object) -> None:
    """As `asyncio.to_thread`, in this one."""
    function(*args)


def open_gate() -> Gate:
    """One that nobody waits at."""
    gate = Gate()
    gate.edited.set()
    return gate


@pytest.fixture
def space(folder: Folder) -> Workspace:  # noqa: F811
    return workspace_of(folder.path, reload=True)


async def run(name: str) -> object:
    result = await execute(ExecutionRequest(execution_id="test", caller=Caller("u1"), name=name))
    assert result.status == "Success", (result.error_message, result.logs)
    return result.result


async def across(space: Workspace, name: str, edit: Callable[[], object]) -> tuple[object, object]:
    """What a run comes to that an edit happens to, and one that begins afterwards."""
    gate = Gate()
    GATES[:] = [gate]
    running: Awaitable[object] = asyncio.ensure_future(run(name))
    assert await asyncio.to_thread(gate.begun.wait, 30)
    edit()
    await asyncio.to_thread(space.load)
    GATES[:] = [open_gate()]
    later = await run(name)
    gate.edited.set()
    return await running, later


async def test_an_edit_leaves_process_pools_of_runs_under_way_alone(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("pooled.py", POOL.format(version="old"))
    space.load()
    during, later = await across(space, "pooled", lambda: folder.write("pooled.py", POOL.format(version="new")))
    assert during == ["made by old"] * 3
    assert later == ["made by new"] * 3


async def test_an_edit_of_another_file_leaves_process_pools_alone(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("deep/er/pooled.py", POOL.format(version="old"))
    folder.write("other.py", "")
    space.load()
    during, later = await across(space, "pooled", lambda: folder.write("other.py", "# edited"))
    assert during == later == ["made by old"] * 3


@pytest.mark.parametrize(("kind", "wait"), [("def", "at_once"), ("async def", "await asyncio.to_thread")])
async def test_a_run_imports_the_helpers_that_it_began_with(
    folder: Folder,  # noqa: F811
    space: Workspace,
    kind: str,
    wait: str,
):
    folder.write("lazy.py", LAZY.format(kind=kind, wait=wait))
    folder.write("_helper.py", HELPER.format(version="old"))
    space.load()
    during, later = await across(space, "lazy", lambda: folder.write("_helper.py", HELPER.format(version="new")))
    assert during == ["old"] * 5
    assert later == ["new"] * 5


async def test_a_helper_that_is_deleted_is_there_for_runs_under_way_alone(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("lazy.py", LAZY.format(kind="def", wait="at_once"))
    folder.write("_helper.py", HELPER.format(version="old"))
    space.load()
    gate = Gate()
    GATES[:] = [gate]
    running = asyncio.ensure_future(run("lazy"))
    assert await asyncio.to_thread(gate.begun.wait, 30)
    folder.remove("_helper.py")
    space.load()
    GATES[:] = [open_gate()]
    later = await execute(ExecutionRequest(execution_id="test", caller=Caller("u1"), name="lazy"))
    assert later.error_type == "ImportError"
    gate.edited.set()
    assert await running == ["old"] * 5


async def test_a_reload_in_the_middle_shows_nothing_of_itself(folder: Folder, space: Workspace):  # noqa: F811
    slow = "from tests.unit.discovery.test_runs_under_way import GATES\n" + HELPER.format(version="new")
    slow += "gate = GATES.pop()\ngate.begun.set()\ngate.edited.wait(30)\n"
    folder.write("lazy.py", LAZY.format(kind="def", wait="at_once"))
    folder.write("_helper.py", HELPER.format(version="old"))
    space.load()
    GATES[:] = [open_gate()]
    assert await run("lazy") == ["old"] * 5
    loading = Gate()
    GATES[:] = [loading]
    folder.write("_helper.py", slow)
    folder.write("new.py", "import _helper")
    reload = asyncio.ensure_future(asyncio.to_thread(space.load))
    assert await asyncio.to_thread(loading.begun.wait, 30)
    GATES[:] = [open_gate()]
    assert await run("lazy") == ["old"] * 5
    loading.edited.set()
    await reload
    GATES[:] = [open_gate()]
    assert await run("lazy") == ["new"] * 5


async def test_a_broken_files_last_version_sees_the_helpers_of_its_time(folder: Folder, space: Workspace):  # noqa: F811
    folder.write("lazy.py", LAZY.format(kind="def", wait="at_once"))
    folder.write("_helper.py", HELPER.format(version="old"))
    space.load()
    GATES[:] = [open_gate()]
    assert await run("lazy") == ["old"] * 5
    folder.write("lazy.py", "1 / 0")
    folder.write("_helper.py", "VERSION = 'new'  # without early and late")
    space.load()
    GATES[:] = [open_gate()]
    assert await run("lazy") == ["old"] * 5
    assert [error.file for error in get_registry().load_errors] == ["lazy.py"]
    assert workspaces.names() == ["lazy"]
