"""Loads the workspace folders: a new set of modules and functions is made beside the old one, and put in its place.

Whatever a file does or raises when it is imported concerns that file and those that depend on it. While it can't be
loaded, the functions that it had go on serving.
"""

from __future__ import annotations

import importlib
import linecache
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import ModuleType

from shared.discovery.attempt import Attempt, Loaded
from shared.discovery.dependencies import affected_by, imports_of
from shared.discovery.files import Root, Stamp, shadowing_tops, source_files, stamps_of, top_of
from shared.discovery.homes import homes_of
from shared.discovery.imported import forget_modules, names_of, no_bytecode, own_modules
from shared.discovery.names import module_of
from shared.logs.capture import importing
from shared.registry import FunctionRegistry, LoadError, get_registry, staging
from shared.runtime.loops import HOME
from shared.runtime.modules import MODULE_SET, ModuleSet, ModuleVersions
from shared.settings.environment import Settings

logger = logging.getLogger(__name__)


class Loader:
    """Loads the folders, and what has changed in them.

    Args:
        settings: as for `Workspace`.
        roots: the folders; of two files with one name that of the first counts.
    """

    def __init__(self, settings: Settings, roots: Sequence[Root]) -> None:
        self._settings = settings
        self._roots = roots
        self._versions = ModuleVersions()
        self._attempt_under_way: Attempt | None = None
        # By the name of a module: the module, and its home.
        self._homes: dict[str, tuple[ModuleType, str]] = {}
        self._imports: dict[tuple[str, Stamp], frozenset[str] | None] = {}

    @property
    def importing(self) -> str | None:
        """The file that is being imported, below its folder."""
        attempt = self._attempt_under_way
        return attempt.importing.file if attempt is not None and attempt.importing is not None else None

    def load(self, before: Loaded | None) -> Loaded:
        """Loads everything, or what the changes since `before` concern, and puts it in use."""
        attempt = self._attempt(before, stamps_of(self._roots))
        if before is None:
            forget_modules(attempt.files, self._roots)
            return self._finish(attempt, None)
        names = attempt.files.keys() | before.files.keys()
        changed = {name for name in names if attempt.files.get(name) != before.files.get(name)}
        return self._load_anew(attempt, before, changed, with_any=True)

    def retry(self, before: Loaded | None) -> Loaded:
        """Imports once more what could not be imported; all else stays as it is."""
        assert before is not None
        attempt = self._attempt(before, before.stamps)
        if self._settings.workspace_reload:
            return self._load_anew(attempt, before, set(), with_any=False)
        attempt.affected = set(before.may_pass)
        for name in before.may_pass:
            sys.modules.pop(name, None)
        return self._finish(attempt, None)

    def _attempt(self, before: Loaded | None, stamps: Mapping[str, Stamp]) -> Attempt:
        found = source_files(self._roots, stamps)
        for root in self._roots:
            if not root.path.is_dir():
                logger.warning("The %s folder does not exist", root.source)
            # At the end, so that nothing in a workspace can stand in for a module of the platform or of a dependency.
            if str(root.path) not in sys.path:
                sys.path.append(str(root.path))
        importlib.invalidate_caches()
        linecache.checkcache()
        shadowing = shadowing_tops(found, self._roots)
        longest = self._settings.longest_timeout_seconds
        attempt = self._attempt_under_way = Attempt(found, stamps, before or Loaded(), shadowing, longest)
        return attempt

    def _load_anew(self, attempt: Attempt, before: Loaded, changed: set[str], *, with_any: bool) -> Loaded:
        """Loads what the changes concern into a new set of modules; the others are taken over as they are."""
        self._versions.adopt(own_modules(before.files, self._roots))
        # Helpers that register functions are executed whenever what imports them is.
        registering = {module_of(metadata) for brought in before.brought.values() for metadata in brought}
        first = (
            changed
            | before.failed
            | {name for name in registering if name in before.files and before.files[name].is_helper}
        )
        attempt.affected = affected_by(first, self._imports_of(attempt), with_any=with_any)
        modules = self._versions.current.modules
        unchanged = [name for name in attempt.files if name in modules and name not in attempt.affected]
        tops = {top_of(name) for name in (*attempt.files, *before.files)} - attempt.shadowing
        return self._finish(attempt, self._versions.next(unchanged, tops))

    def _finish(self, attempt: Attempt, modules: ModuleSet | None) -> Loaded:
        with ExitStack() as stack:
            stack.enter_context(no_bytecode(self._settings.workspace_reload))
            stack.enter_context(staging(attempt.registry))
            stack.enter_context(importing())
            if modules is not None:
                stack.enter_context(modules.loading())
            loaded = attempt.run(modules)
        if modules is not None:
            former = self._versions.current.modules
            for name in sorted(names_of(attempt.files) & former.keys() - modules.modules.keys()):
                modules.put(name, former[name])
            former_sets = [each.metadata.derived.get(MODULE_SET) for each in loaded.serving.values() if each.is_former]
            self._versions.use(modules, beside=[each for each in former_sets if each is not None])
        elif self._settings.workspace_reload:
            self._versions.adopt(own_modules(attempt.files, self._roots))
            modules = self._versions.current
        homes = self._homes_of(modules.modules if modules is not None else own_modules(attempt.files, self._roots))
        registry = FunctionRegistry()
        for serving in loaded.serving.values():
            registry.register_function(serving.metadata)
            module = module_of(serving.metadata)
            serving.metadata.derived[HOME] = homes.get(module, module)
            if not serving.is_former:
                serving.metadata.code_version = attempt.code_version
                if modules is not None:
                    serving.metadata.derived[MODULE_SET] = modules
        unknown = [
            LoadError(metadata.source_file or metadata.name, metadata.source_line, problem)
            for metadata, problem in registry.unknown_providers()
        ]
        # These functions are there: nobody who misses another has to hear of them.
        registry.load_errors = loaded.errors
        get_registry().replace_all(registry)
        return replace(loaded, errors=list(dict.fromkeys([*loaded.errors, *unknown])))

    def _homes_of(self, modules: Mapping[str, ModuleType]) -> dict[str, str]:
        same = {name: home for name, (module, home) in self._homes.items() if modules.get(name) is module}
        homes = homes_of(modules, same)
        self._homes = {name: (modules[name], home) for name, home in homes.items()}
        return homes

    def _imports_of(self, attempt: Attempt) -> dict[str, frozenset[str] | None]:
        found: dict[str, frozenset[str] | None] = {}
        known: dict[tuple[str, Stamp], frozenset[str] | None] = {}
        for file, content in attempt.contents.items():
            key = (str(file.path), file.stamp)
            if key not in self._imports:
                self._imports[key] = imports_of(content, file.module, is_package=file.is_package)
            known[key] = found[file.module] = self._imports[key]
        self._imports = known
        return found
