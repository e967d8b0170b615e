"""Loading beside the calls: calls wait for it within bounds, and imports that failed are tried again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from shared.discovery import Workspace, ensure_loaded
from shared.discovery import workspace as discovery
from shared.errors import ServiceUnavailableError
from shared.registry import get_registry
from tests.support.workspaces import (
    Folder,
    clean_imports,  # noqa: F401 - a fixture
    folder,  # noqa: F401 - a fixture
    names,
    source,
    value_of,
    workspace_of,
)

ONCE = "from tests.unit.discovery.test_waiting import NETWORK\nNETWORK.connect()\n"


class Network:
    """What a file reaches for when it is imported."""

    def __init__(self) -> None:
        self.is_away = False
        self.connections = 0
        self.begun = threading.Event()
        self.answers = threading.Event()

    def connect(self) -> None:
        self.connections += 1
        if self.is_away:
            raise OSError("the network is away")

    def hang(self) -> None:
        self.begun.set()
        assert self.answers.wait(30)


NETWORK = Network()


@pytest.fixture(autouse=True)
def network() -> Iterator[Network]:
    NETWORK.__init__()
    yield NETWORK
    NETWORK.answers.set()


def in_use(monkeypatch: pytest.MonkeyPatch, space: Workspace) -> Workspace:
    monkeypatch.setattr(discovery, "get_workspace", lambda: space)
    return space


async def loaded(space: Workspace) -> None:
    """Waits for what is loaded beside the calls."""
    under_way = space._under_way
    if under_way is not None:
        await asyncio.wrap_future(under_way)


@pytest.mark.parametrize("reload", [False, True])
async def test_an_import_that_failed_is_tried_again_beside_the_calls(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    reload: bool,
):
    monkeypatch.setattr(discovery, "_FIRST_RETRY_SECONDS", 0.0)
    folder.write("_helper.py", source("helped"))
    folder.write("a_user.py", "import flow\n" + source("user"))
    folder.write("flow.py", "import _helper\n" + ONCE + source("flow"))
    folder.write("good.py", source("good"))
    folder.write("wrong.py", "def broken(:")
    network.is_away = True
    space = in_use(monkeypatch, workspace_of(folder.path, reload=reload))
    await ensure_loaded()
    assert {error.file for error in space.load_errors} == {"a_user.py", "flow.py", "wrong.py"}
    assert "good" in names()
    good = value_of("good")
    await loaded(space)
    tried = network.connections
    await ensure_loaded()
    await loaded(space)
    assert network.connections > tried
    network.is_away = False
    await ensure_loaded()
    await loaded(space)
    assert names() == ["flow", "good", "helped", "user"]
    assert [error.file for error in space.load_errors] == ["wrong.py"]
    assert value_of("good") == good
    # A file that only an edit can mend is not imported again.
    assert not space.retry_is_due


async def test_imports_are_tried_again_less_and_less_often(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
):
    now = 1000.0
    monkeypatch.setattr(discovery.time, "monotonic", lambda: now)
    folder.write("flow.py", ONCE)
    network.is_away = True
    space = workspace_of(folder.path)
    space.load()
    waits: list[float] = []
    for _ in range(8):
        began = now
        while not space.retry_is_due:
            now += 1
        waits.append(now - began)
        space.retry()
    assert waits == [15, 30, 60, 120, 240, 480, 600, 600]
    assert network.connections == 9


async def test_calls_wait_for_a_reload_within_bounds_and_share_it(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
):
    folder.write("flow.py", source("flow", "old"))
    space = in_use(monkeypatch, workspace_of(folder.path, reload=True))
    await ensure_loaded()
    monkeypatch.setattr(discovery, "_RELOAD_WAIT_SECONDS", 0.05)
    hanging = "from tests.unit.discovery.test_waiting import NETWORK\nNETWORK.hang()\n" + source("flow", "new")
    folder.write("flow.py", hanging)
    before = threading.active_count()
    await asyncio.gather(*(ensure_loaded() for _ in range(20)))
    assert value_of("flow") == "old"
    assert threading.active_count() <= before + 1
    network.answers.set()
    monkeypatch.setattr(discovery, "_RELOAD_WAIT_SECONDS", 30.0)
    await asyncio.gather(*(ensure_loaded() for _ in range(20)))
    assert value_of("flow") == "new"
    assert space.is_current


async def test_what_was_edited_while_it_was_loaded_is_loaded_too(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
):
    folder.write("flow.py", source("flow", "old"))
    in_use(monkeypatch, workspace_of(folder.path, reload=True))
    await ensure_loaded()
    hanging = "from tests.unit.discovery.test_waiting import NETWORK\nNETWORK.hang()\n" + source("flow", "new")
    folder.write("flow.py", hanging)
    call = asyncio.ensure_future(ensure_loaded())
    assert await asyncio.to_thread(network.begun.wait, 30)
    folder.write("flow.py", source("flow", "newest"))
    network.answers.set()
    await call
    assert value_of("flow") == "newest"


@pytest.mark.parametrize("is_first", [True, False])
async def test_an_import_that_hangs_is_stopped_once_its_file_is_edited(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_first: bool,
):
    folder.write("flow.py", source("flow", "old"))
    in_use(monkeypatch, workspace_of(folder.path, reload=True))
    if not is_first:
        await ensure_loaded()
    monkeypatch.setattr(discovery, "_RELOAD_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(discovery, "_FIRST_WAIT_SECONDS", 0.1)
    endless = "from tests.unit.discovery.test_waiting import NETWORK\nNETWORK.begun.set()\nwhile True: pass\n"
    folder.write("flow.py", endless)
    call = asyncio.ensure_future(ensure_loaded())
    assert await asyncio.to_thread(network.begun.wait, 30)
    folder.write("flow.py", source("flow", "mended"))
    with contextlib.suppress(ServiceUnavailableError):
        await call
    while names() != ["flow"] or value_of("flow") != "mended":
        with contextlib.suppress(ServiceUnavailableError):
            await ensure_loaded()
    assert "The workspace is still being loaded: flow.py: its import has not ended yet, at flow.py:3 in" in caplog.text


async def test_an_import_that_hangs_is_waited_for_once_and_named(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    folder.write("flow.py", source("flow", "old"))
    space = in_use(monkeypatch, workspace_of(folder.path, reload=True))
    await ensure_loaded()
    monkeypatch.setattr(discovery, "_RELOAD_WAIT_SECONDS", 0.1)
    hanging = "from tests.unit.discovery.test_waiting import NETWORK\nNETWORK.hang()\n" + source("later", "new")
    folder.write("later.py", hanging)
    await ensure_loaded()
    assert [error.file for error in space.load_errors] == ["later.py"]
    assert get_registry().load_errors == space.load_errors
    # Were it waited for again, this would not come back.
    monkeypatch.setattr(Workspace, "patience", property(lambda _: 0.0 if space.load_errors else 3600.0))
    await asyncio.gather(*(ensure_loaded() for _ in range(20)))
    assert value_of("flow") == "old"
    assert caplog.text.count("The workspace is still being loaded") == 1
    network.answers.set()
    await loaded(space)
    assert space.load_errors == get_registry().load_errors == []
    assert names() == ["flow", "later"]


async def test_a_first_load_that_hangs_is_said_and_calls_are_refused(
    folder: Folder,  # noqa: F811
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
):
    folder.write(
        "flow.py", "from tests.unit.discovery.test_waiting import NETWORK\nNETWORK.hang()\n" + source("flow", "new")
    )
    space = in_use(monkeypatch, workspace_of(folder.path, reload=False))
    monkeypatch.setattr(discovery, "_FIRST_WAIT_SECONDS", 0.1)
    with pytest.raises(ServiceUnavailableError):
        await ensure_loaded()
    assert [error.file for error in space.load_errors] == ["flow.py"]
    network.answers.set()
    await loaded(space)
    await ensure_loaded()
    assert (value_of("flow"), space.load_errors) == ("new", [])
