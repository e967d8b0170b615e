"""Finds the users' functions: imports the workspace folders, reports what can't be imported, and notices changed files.

Every `*.py` below a folder is imported but hidden names and names that begin with `_` (helpers and tests). Modules
import each other as seen from the folder's root.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import lru_cache

from shared.discovery.attempt import Loaded
from shared.discovery.files import Root, Stamp, stamps_of
from shared.discovery.loader import Loader
from shared.errors import ExecutionStopped, ServiceUnavailableError
from shared.registry import LoadError, get_registry
from shared.runtime.calls import line_of_thread
from shared.runtime.interruption import Interruption, raise_in_thread
from shared.settings.environment import Settings, get_settings

logger = logging.getLogger(__name__)

# How long changed files are waited for, by all calls together, before they go on with what was loaded last; and how
# long the first load is, before they are refused.
_RELOAD_WAIT_SECONDS = 10.0
_FIRST_WAIT_SECONDS = 60.0
_RETRY_AFTER_SECONDS = 10
# An import that is stopped ends within this time, unless it is inside of C code.
_STOP_SECONDS = 1.0
# When imports that have failed are tried again: after so long, after twice as long, and so on.
_FIRST_RETRY_SECONDS = 15.0
_LONGEST_RETRY_SECONDS = 600.0


class Workspace:
    """The workspace folders of this process, and what was found in them.

    Args:
        settings: names the folders, says whether changed files are picked up, and bounds the functions' timeouts.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_reloaded = settings.workspace_reload
        self._roots = [Root(settings.workspace_path.resolve(), "workspace")]
        if settings.home_path is not None:
            self._roots.append(Root(settings.home_path.resolve(), "home"))
        self._loader = Loader(settings, self._roots)
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._retry_wait = 0.0
        self._retry_at: float | None = None
        self._begin_lock = threading.Lock()
        self._under_way: Future[None] | None = None
        self._begun_at = 0.0
        self._thread: threading.Thread | None = None
        self._hanging: LoadError | None = None
        self._is_stopped = False
        self._stamps: dict[str, Stamp] = {}

    @property
    def load_errors(self) -> list[LoadError]:
        """What is wrong with the files as they are now."""
        errors = self._loaded.errors if self._loaded is not None else []
        return [*errors, self._hanging] if self._hanging is not None else errors

    @property
    def is_loaded(self) -> bool:
        """Whether there is something that can serve."""
        return self._loaded is not None

    @property
    def is_current(self) -> bool:
        """Whether everything is loaded; looks at the files only when changes are to be picked up."""
        if self._loaded is None:
            return False
        return not self._is_reloaded or self._loaded.stamps == stamps_of(self._roots)

    @property
    def patience(self) -> float:
        """Seconds for which the load under way is still to be waited for."""
        longest = _RELOAD_WAIT_SECONDS if self.is_loaded else _FIRST_WAIT_SECONDS
        return max(0.0, self._begun_at + longest - time.monotonic())

    @property
    def retry_is_due(self) -> bool:
        """Whether imports have failed that may succeed by now."""
        return self._retry_at is not None and time.monotonic() >= self._retry_at

    def load(self) -> None:
        """Loads the folders, unless they are loaded and unchanged. Blocks while modules are imported.

        The functions found replace the ones before in one step; runs under way keep theirs. Whatever goes wrong, what
        was loaded before goes on serving, and `load_errors` says what is wrong.
        """
        with self._lock:
            if not self.is_current:
                self._stamps = stamps_of(self._roots)
                self._load(self._loader.load)
                self._plan_retry(_FIRST_RETRY_SECONDS)

    def retry(self) -> None:
        """Imports once more what could not be imported, if it is time for that. Blocks as `load` does."""
        with self._lock:
            if self.retry_is_due:
                self._load(self._loader.retry)
                self._plan_retry(min(2 * self._retry_wait, _LONGEST_RETRY_SECONDS))

    def _load(self, load: Callable[[Loaded | None], Loaded]) -> None:
        before = self._loaded
        known = set(before.errors) if before is not None else set[LoadError]()
        try:
            loaded = load(before)
        except Exception as error:
            # No file's own fault, those are caught where they are imported. What serves must go on serving.
            logger.exception("The workspace can't be loaded; what was loaded before goes on serving")
            reason = f"the workspace can't be loaded: {type(error).__name__}"
            loaded = (before or Loaded()).failing(stamps_of(self._roots), LoadError(".", None, reason))
            get_registry().load_errors = loaded.errors
        for error in loaded.errors:
            if error not in known:
                logger.error("%s%s: %s", error.file, f", line {error.line}" if error.line else "", error.reason)
        self._loaded = loaded

    def _plan_retry(self, wait: float) -> None:
        assert self._loaded is not None
        self._retry_wait = wait
        self._retry_at = time.monotonic() + wait if self._loaded.may_pass else None

    def begin(self, work: Callable[[], None]) -> Future[None]:
        """Has `load` or `retry` done in a thread, unless one of them is under way; gives that one then.

        The thread keeps nobody from ending the process: the users' modules may do anything when they are imported.
        """
        with self._begin_lock:
            if self._under_way is None or self._under_way.done():
                done = self._under_way = Future[None]()
                self._begun_at = time.monotonic()

                def run() -> None:
                    failure: BaseException | None = None
                    try:
                        work()
                    except ExecutionStopped:  # by `hurry`; the next call begins anew
                        logger.info("The import was stopped, since its file has changed")
                    except BaseException as error:  # noqa: BLE001 - it is for who waits
                        failure = error
                    if self._hanging is not None:
                        self._hanging, self._is_stopped = None, False
                        get_registry().load_errors = self.load_errors
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)

                self._thread = threading.Thread(
                    target=copy_context().run, args=(run,), name="workspace-loader", daemon=True
                )
                self._thread.start()
            return self._under_way

    def hurry(self) -> bool:
        """Says once, in the log and among the load errors, which import hangs; stops it when files have changed since.

        Returns:
            Whether it was stopped by this call.
        """
        thread = self._thread.ident if self._thread is not None and self._thread.is_alive() else None
        where = line_of_thread(thread)
        if self._hanging is None:
            at = f", at {where}" if where else ""
            serving = "what was loaded before goes on serving" if self.is_loaded else "nothing is served yet"
            reason = f"its import has not ended yet{at}; {serving}"
            self._hanging = LoadError(self._loader.importing or ".", None, reason)
            get_registry().load_errors = self.load_errors
            logger.warning("The workspace is still being loaded: %s: %s", self._hanging.file, reason)
        if self._is_stopped or thread is None or where is None or self._stamps == stamps_of(self._roots):
            return False
        self._is_stopped = True
        raise_in_thread(thread, Interruption())
        return True


@lru_cache(maxsize=1)
def get_workspace() -> Workspace:
    """The workspace of this process."""
    return Workspace(get_settings())


async def ensure_loaded() -> None:
    """Loads the workspace on first use, and again when files have changed and changes are to be picked up.

    Importing runs the users' modules, which must not hold up the loop that serves triggers, nor for long a call that
    can be answered with what was loaded before. Imports that have failed are tried again beside the calls.

    Raises:
        ServiceUnavailableError: the first load has not ended within a minute.
    """
    workspace = get_workspace()
    deadline = time.monotonic() + _RELOAD_WAIT_SECONDS
    while not workspace.is_current:
        done = asyncio.wrap_future(workspace.begin(workspace.load))
        await asyncio.wait([done], timeout=workspace.patience)
        if not done.done() and workspace.hurry():
            await asyncio.wait([done], timeout=_STOP_SECONDS)
        if done.done():
            done.result()
        elif not workspace.is_loaded:
            raise ServiceUnavailableError(
                "The workspace is still being loaded: an import has not ended yet", _RETRY_AFTER_SECONDS
            )
        if workspace.is_loaded and (not done.done() or time.monotonic() >= deadline):
            return
    if workspace.retry_is_due:
        workspace.begin(workspace.retry)
