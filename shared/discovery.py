"""Finds the users' functions: imports the workspace folders, reports what can't be imported, and notices changed files.

Every `*.py` below a folder is imported but hidden names and names that begin with `_` (helpers and tests). Modules
import each other as seen from the folder's root.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.machinery
import linecache
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shared.decorators import resolve_parameters
from shared.errors import DefinitionError
from shared.logs.capture import importing
from shared.registry import (
    DEFAULT_TIMEOUT_SECONDS,
    WORKFLOW,
    FunctionMetadata,
    FunctionRegistry,
    get_registry,
    staging,
)
from shared.settings.environment import HTTP_RUN_LIMIT_SECONDS, Settings, get_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadError:
    """A file that could not be loaded, or a function in it that can't be: where, and why.

    `file` is the path below its workspace folder; `line` is None when there is none to name.
    """

    file: str
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    path: Path
    root: Path
    source: str

    @property
    def file(self) -> str:
        return self.path.relative_to(self.root).as_posix()


class Workspace:
    """The workspace folders of this process, and what was found in them.

    Args:
        settings: names the folders, says whether changed files are picked up, and bounds the functions' timeouts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roots = [(settings.workspace_path.resolve(), "workspace")]
        if settings.home_path is not None:
            self._roots.append((settings.home_path.resolve(), "home"))
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, int]] | None = None
        self._code_version = ""
        self.load_errors: list[LoadError] = []

    @property
    def is_current(self) -> bool:
        """Whether everything is loaded; looks at the files only when changes are to be picked up."""
        if self._seen is None:
            return False
        return not self._settings.workspace_reload or self._seen == self._look()

    def load(self) -> None:
        """Loads the folders, unless they are loaded and unchanged. Blocks while modules are imported.

        The functions found replace the ones before in one step; runs under way keep theirs.
        """
        with self._lock:
            if self.is_current:
                return
            seen = self._look()
            registry = FunctionRegistry()
            errors: list[LoadError] = []
            self._unload_modules()
            self._code_version = self._read_code_version()
            with staging(registry), _no_bytecode(self._settings.workspace_reload), importing():
                for module in self._modules(errors):
                    self._load_module(module, registry, errors)
            for metadata in registry.get_all_functions():
                metadata.source = metadata.source or "platform"
            for error in errors:
                logger.error("%s%s: %s", error.file, f", line {error.line}" if error.line else "", error.reason)
            get_registry().replace_all(registry)
            self.load_errors = errors
            self._seen = seen

    def _look(self) -> dict[str, tuple[int, int]]:
        """Each Python file with its time of change and size."""
        seen: dict[str, tuple[int, int]] = {}
        for root, _ in self._roots:
            for path in _python_files(root, helpers_too=True):
                try:
                    status = path.stat()
                except FileNotFoundError:  # deleted since it was listed
                    continue
                seen[str(path)] = (status.st_mtime_ns, status.st_size)
        return seen

    def _read_code_version(self) -> str:
        """A hash of all Python files, helpers too: whose code a function uses is not known."""
        digest = hashlib.sha256()
        for root, _ in self._roots:
            for path in _python_files(root, helpers_too=True):
                try:
                    content = path.read_bytes()
                except OSError:  # importing it will tell
                    continue
                digest.update(os.fsencode(path.relative_to(root)) + b"\0%d\0" % len(content))
                digest.update(content)
        return digest.hexdigest()

    def _unload_modules(self) -> None:
        """Has every module of the folders imported anew, helpers too: who imports whom is not known."""
        roots = tuple(f"{root}{os.sep}" for root, _ in self._roots)
        for name, module in list(sys.modules.items()):
            places = [getattr(module, "__file__", None) or "", *map(str, getattr(module, "__path__", None) or ())]
            if any(f"{place}{os.sep}".startswith(roots) for place in places):
                del sys.modules[name]
        for root, _ in self._roots:
            # At the end, so that nothing in a workspace can stand in for a module of the platform or of a dependency.
            if str(root) not in sys.path:
                sys.path.append(str(root))
        importlib.invalidate_caches()
        linecache.checkcache()

    def _modules(self, errors: list[LoadError]) -> Iterator[_Module]:
        taken: dict[str, _Module] = {}
        for root, source in self._roots:
            if not root.is_dir():
                logger.warning("The %s folder does not exist", source)
                continue
            for path in _python_files(root, helpers_too=False):
                relative = path.relative_to(root).with_suffix("")
                module = _Module(".".join(relative.parts), path, root, source)
                reason = self._conflict(module, relative, taken)
                if reason is not None:
                    errors.append(LoadError(module.file, None, reason))
                    continue
                taken[module.name] = module
                yield module

    def _conflict(self, module: _Module, relative: Path, taken: dict[str, _Module]) -> str | None:
        top = relative.parts[0]
        if any("." in part for part in relative.parts):
            return "the name has a dot in it, so that it can't be imported"
        if module.name in taken:
            return f"{taken[module.name].source} has a module of the same name; rename one of them"
        roots = {str(root) for root, _ in self._roots}
        spec = importlib.machinery.PathFinder.find_spec(top, [entry for entry in sys.path if entry not in roots])
        if top in sys.stdlib_module_names or (spec is not None and spec.origin is not None):
            return f"a module named {top!r} exists in Python or in a dependency and would be shadowed; rename the file"
        return None

    def _load_module(self, module: _Module, registry: FunctionRegistry, errors: list[LoadError]) -> None:
        try:
            importlib.import_module(module.name)
        except BaseException as error:  # noqa: BLE001 - a file may raise anything, sys.exit() included, and must harm only itself
            errors.append(_load_error(module, error))
            registry.unregister_functions(
                [m for m in registry.get_all_functions() if getattr(m.function, "__module__", None) == module.name]
            )
            return
        # Those of a helper that this module imported come along with it.
        for metadata in registry.get_all_functions():
            if metadata.source_file is None:
                self._complete(metadata, module, registry, errors)

    def _complete(
        self, metadata: FunctionMetadata, module: _Module, registry: FunctionRegistry, errors: list[LoadError]
    ) -> None:
        metadata.source = metadata.source or module.source
        metadata.source_file = module.file
        metadata.code_version = self._code_version
        try:
            resolve_parameters(metadata)
            self._check_timeout(metadata)
        except DefinitionError as error:
            errors.append(LoadError(module.file, metadata.source_line, str(error)))
            registry.unregister_functions([metadata])
            return
        if metadata.schedule is not None:
            logger.warning("%s has a schedule, and schedules do not run yet: %s", metadata.name, metadata.place)

    def _check_timeout(self, metadata: FunctionMetadata) -> None:
        longest = self._settings.longest_timeout_seconds
        if longest is not None and metadata.timeout_seconds > longest:
            raise DefinitionError(
                f"{metadata.name} has timeout_seconds={metadata.timeout_seconds:g}; at most {longest} fit, "
                "30 s less than functionTimeout in host.json"
            )
        waited_for = metadata.has_tag(WORKFLOW) and metadata.execution_mode == "sync"
        # Of a function that leaves timeout_seconds alone nothing was asked, so there is nothing to warn of.
        asked_for = metadata.timeout_seconds != DEFAULT_TIMEOUT_SECONDS
        if waited_for and asked_for and metadata.timeout_seconds > HTTP_RUN_LIMIT_SECONDS:
            logger.warning(
                "%s is sync and has timeout_seconds=%g; a caller over HTTP is answered after %g s at the latest",
                metadata.name,
                metadata.timeout_seconds,
                HTTP_RUN_LIMIT_SECONDS,
            )


def _python_files(root: Path, *, helpers_too: bool) -> Iterator[Path]:
    """The Python files below a folder, in the order of their names."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _skipped(name, helpers_too))
        for name in sorted(files):
            if name.endswith(".py") and not _skipped(name, helpers_too):
                yield Path(folder) / name


def _skipped(name: str, helpers_too: bool) -> bool:
    return name.startswith(".") or name == "__pycache__" or (name.startswith("_") and not helpers_too)


def _load_error(module: _Module, error: BaseException) -> LoadError:
    """Where in the workspace an import failed, and why, without any path of the machine."""
    reason = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    reason = reason.replace(f"{module.root}{os.sep}", "")
    if isinstance(error, SyntaxError) and error.filename:
        place = (Path(error.filename), error.lineno)
    else:
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(module.root))
        ]
        place = (Path(frames[-1].filename), frames[-1].lineno) if frames else (module.path, None)
    file = place[0].relative_to(module.root).as_posix() if place[0].is_relative_to(module.root) else module.file
    if file != module.file:
        reason = f"{reason} (in {file}, line {place[1]})"
        return LoadError(module.file, None, reason)
    return LoadError(module.file, place[1], reason)


class _no_bytecode:  # noqa: N801 - used as a context manager, named like one
    """Keeps Python from writing .pyc files, which can't tell two versions of a file saved within one second."""

    def __init__(self, active: bool) -> None:
        self._active = active

    def __enter__(self) -> None:
        self._before = sys.dont_write_bytecode
        sys.dont_write_bytecode = self._before or self._active

    def __exit__(self, *_: object) -> None:
        sys.dont_write_bytecode = self._before


@lru_cache(maxsize=1)
def get_workspace() -> Workspace:
    """The workspace of this process."""
    return Workspace(get_settings())


async def ensure_loaded() -> None:
    """Loads the workspace on first use, and again when files have changed and changes are to be picked up."""
    workspace = get_workspace()
    if not workspace.is_current:
        # Importing runs the users' modules, which must not hold up the loop that serves triggers.
        await asyncio.to_thread(workspace.load)
