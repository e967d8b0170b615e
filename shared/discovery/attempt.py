"""An attempt to load the workspace, or what of it has to be loaded anew: its functions, and what is wrong."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Self

from shared.discovery.definitions import check_definition
from shared.discovery.dependencies import packages_above
from shared.discovery.files import SourceFile, Stamp, code_version_of, conflicts_of, contents_of
from shared.discovery.names import LoadingRegistry, module_of
from shared.discovery.problems import load_error_of, may_pass
from shared.errors import DefinitionError
from shared.registry import FunctionMetadata, LoadError, two_of_one_name
from shared.runtime.modules import ModuleSet


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading came to.

    Attributes:
        stamps: of the files as they were when it began.
        files: by the names of their modules.
        brought: the functions of each file that is loaded, by its path; some may have lost their name to others.
        unclaimed: functions of helpers that only files which have failed import.
        serving: by name, the function that serves, with the path of its file. It may be of an older version of that.
        failed: names of modules that are to be imported anew with the next change.
        may_pass: those of them whose import may succeed later without a change.
        errors: what is wrong, by file.
    """

    stamps: Mapping[str, Stamp] = field(default_factory=dict[str, Stamp])
    files: Mapping[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    brought: Mapping[Path, Sequence[FunctionMetadata]] = field(default_factory=dict[Path, Sequence[FunctionMetadata]])
    unclaimed: Sequence[FunctionMetadata] = ()
    serving: Mapping[str, Serving] = field(default_factory=dict[str, "Serving"])
    failed: frozenset[str] = frozenset()
    may_pass: frozenset[str] = frozenset()
    errors: list[LoadError] = field(default_factory=list[LoadError])

    def failing(self, stamps: Mapping[str, Stamp], error: LoadError) -> Self:
        """As it is, after an attempt that came to nothing."""
        return replace(self, stamps=stamps, errors=[*(each for each in self.errors if each != error), error])


class Attempt:
    """An attempt.

    Args:
        found: all files, in their order.
        stamps: of the files.
        before: what was loaded last.
        shadowing: see `conflicts_of`.
        longest_timeout: see `check_definition`.

    Attributes:
        files: those found, by the names of their modules.
        contents: of the files.
        code_version: stands for them all.
        shadowing: as given.
        affected: names of the modules that are imported; None for all.
        registry: is filled with what the files register.
        importing: the file that is being imported.
    """

    def __init__(
        self,
        found: Sequence[SourceFile],
        stamps: Mapping[str, Stamp],
        before: Loaded,
        shadowing: set[str],
        longest_timeout: int | None,
    ) -> None:
        self.files = _by_module(found)
        self.contents = contents_of(found)
        self.code_version = code_version_of(self.contents)
        self.shadowing = shadowing
        self.affected: set[str] | None = None
        self.registry = LoadingRegistry()
        self.importing: SourceFile | None = None
        self._found = found
        self._conflicts = conflicts_of(found, shadowing)
        self._stamps = stamps
        self._before = before
        self._longest_timeout = longest_timeout
        # By path: the functions of the files that are loaded, and of the others None.
        self._brought: dict[Path, list[FunctionMetadata] | None] = {}
        self._claimed: dict[int, Path] = {}
        self._wrong: set[tuple[Path, str]] = set()
        self._failed: set[str] = set()
        self._may_pass: set[str] = set()
        self._errors: list[LoadError] = []
        self._load: Callable[[str], ModuleType] = importlib.import_module
        self._imported: Mapping[str, ModuleType] = sys.modules

    def run(self, modules: ModuleSet | None) -> Loaded:
        """Imports the files, and decides whose the names are; gives what it came to.

        Args:
            modules: where they are imported into; None for `sys.modules` alone.
        """
        if modules is not None:
            self._load, self._imported = modules.load, modules.modules
        for file, reason in self._conflicts.items():
            self._errors.append(LoadError(file.file, None, reason))
            self._brought[file.path] = None
        files = [file for file in self.files.values() if not file.is_helper and file not in self._conflicts]
        to_load = [file for file in files if not self._keep(file)]
        for metadata in self._before.unclaimed:
            if self.affected is not None and module_of(metadata) not in self.affected:
                self.registry.register_function(metadata)
        for file in to_load:
            self._import(file)
        if modules is not None:
            self._import_helpers(modules)
            self._failed |= modules.failed - modules.modules.keys()
        serving = self._serving()
        return Loaded(
            stamps=self._stamps,
            files=self.files,
            brought={path: brought for path, brought in self._brought.items() if brought is not None},
            unclaimed=self._unclaimed(),
            serving=serving,
            failed=frozenset(self._failed),
            may_pass=frozenset(self._may_pass),
            errors=sorted(dict.fromkeys(self._errors), key=lambda error: error.file),
        )

    def _keep(self, file: SourceFile) -> bool:
        """Takes over what is loaded of a file that nothing has changed for, or why it is not."""
        if self.affected is None or file.module in self.affected:
            return False
        brought = self._before.brought.get(file.path)
        if file.module in self._before.failed:
            self._failed.add(file.module)
            self._errors += (error for error in self._before.errors if error.file == file.file)
        elif brought is None:
            return False
        self._brought[file.path] = list(brought) if brought is not None else None
        for metadata in brought or ():
            self.registry.register_function(metadata)
            self._claimed[id(metadata)] = file.path
        return True

    def _import(self, file: SourceFile) -> None:
        self.importing = file
        try:
            self._load(file.module)
        except BaseException as error:  # noqa: BLE001 - a file may raise anything, sys.exit() included, and must harm only itself
            self._drop_unfinished(file)
            self._brought[file.path] = None
            self._errors.append(load_error_of(file, error))
            self._failed.add(file.module)
            if may_pass(error):
                self._may_pass.add(file.module)
        else:
            self._brought.setdefault(file.path, [])
        self._claim_new(file)

    def _import_helpers(self, modules: ModuleSet) -> None:
        """Imports the changed helpers that only runs import, so that they, too, get what is new."""
        former = modules.versions.current.modules
        for name, file in self.files.items():
            is_missing = file.is_helper and name in former and name not in modules.modules
            # What has failed with a file that imports it has been said of that one.
            if is_missing and modules.failed.isdisjoint((name, *packages_above(name))):
                self._import(file)

    def _drop_unfinished(self, file: SourceFile) -> None:
        """Takes out the functions of modules that were not imported to their end."""
        for metadata in self._unclaimed():
            module = module_of(metadata)
            is_whole = all(name in self._imported for name in (module, *packages_above(module)))
            if module == file.module or module not in self.files or not is_whole:
                self.registry.registered.remove(metadata)

    def _claim_new(self, file: SourceFile) -> None:
        """Says of the functions that were registered since where they come from, and checks them."""
        for metadata in self._unclaimed():
            defined_in = self.files.get(module_of(metadata))
            # Functions of a helper, or of a library, come along with the next file that is loaded.
            source = defined_in if defined_in is not None and not defined_in.is_helper else file
            if source is not file or self._brought[file.path] is not None:
                self._claim(metadata, source, defined_in or file)

    def _unclaimed(self) -> list[FunctionMetadata]:
        return [metadata for metadata in self.registry.registered if id(metadata) not in self._claimed]

    def _claim(self, metadata: FunctionMetadata, source: SourceFile, defined_in: SourceFile) -> None:
        metadata.source = metadata.source or source.root.source
        metadata.source_file = defined_in.file
        metadata.code_version = self.code_version
        try:
            check_definition(metadata, self._longest_timeout)
        except DefinitionError as error:
            self.registry.registered.remove(metadata)
            self._errors.append(LoadError(defined_in.file, metadata.source_line, str(error)))
            self._failed.add(source.module)
            self._wrong.add((source.path, metadata.name))
            return
        self._claimed[id(metadata)] = source.path
        brought = self._brought.setdefault(source.path, [])
        if brought is not None:
            brought.append(metadata)

    def _serving(self) -> dict[str, Serving]:
        """Whose each name is; the others who have it are told."""
        order = {file.module: place for place, file in enumerate(self._found)}
        found: dict[str, list[FunctionMetadata]] = {name: [] for name in self._before.serving}
        for metadata in self.registry.registered:
            if id(metadata) not in self._claimed:
                continue
            found.setdefault(metadata.name, []).append(metadata)
        serving: dict[str, Serving] = {}
        for name, functions in found.items():
            functions.sort(key=lambda metadata: order.get(module_of(metadata), len(order)))
            winner = self._owner(name, functions)
            if winner is None:
                continue
            serving[name] = winner
            for other in functions:
                if other is not winner.metadata:
                    reason = f"DuplicateFunctionError: {two_of_one_name(winner.metadata, other)}"
                    self._errors.append(LoadError(other.source_file or "", other.source_line, reason))
        return serving

    def _owner(self, name: str, functions: Sequence[FunctionMetadata]) -> Serving | None:
        before = self._before.serving.get(name)
        if before is not None:
            for metadata in functions:
                if module_of(metadata) == module_of(before.metadata):
                    return Serving(metadata, self._claimed[id(metadata)])
            is_broken = self._brought.get(before.path, []) is None or (before.path, name) in self._wrong
            if is_broken:
                return replace(before, is_former=True)
        return Serving(functions[0], self._claimed[id(functions[0])]) if functions else None


@dataclass(frozen=True, slots=True)
class Serving:
    """A function that serves.

    Attributes:
        path: of the file that has brought it.
        is_former: whether it is of an older version of that file.
    """

    metadata: FunctionMetadata
    path: Path
    is_former: bool = False


def _by_module(found: Sequence[SourceFile]) -> dict[str, SourceFile]:
    files: dict[str, SourceFile] = {}
    for file in found:
        known = files.get(file.module)
        # Of a.py and a/__init__.py in one folder Python takes the package.
        if known is None or (file.is_package and known.root == file.root):
            files[file.module] = file
    return files
