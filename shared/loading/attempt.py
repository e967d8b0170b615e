"""An attempt to load the workspace, or what of it has to be loaded anew: its functions, and what is wrong."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Self

from shared.errors import DefinitionError
from shared.loading.definitions import check_definition
from shared.loading.files import SourceFile, Stamp, code_version_of, conflicts_of, contents_of
from shared.loading.names import LoadingRegistry, NameReservedError, module_of
from shared.loading.problems import load_error_of, may_pass
from shared.registry import FunctionMetadata, LoadError, two_of_one_name
from shared.runtime.modules import ModuleSet


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading came to.

    Attributes:
        stamps: of the files as they were when it began.
        files: by the names of their modules.
        functions: those that serve now, by the paths of the files that have brought them.
        failed: names of modules that are to be imported anew with the next change.
        may_pass: those of them whose import may succeed later without a change.
        errors: what is wrong, by file.
    """

    stamps: Mapping[str, Stamp] = field(default_factory=dict[str, Stamp])
    files: Mapping[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    functions: Mapping[Path, Sequence[FunctionMetadata]] = field(default_factory=dict[Path, Sequence[FunctionMetadata]])
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
        shadowing: as given.
        affected: names of the modules that are imported; None for all.
        registry: is filled.
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
        self.registry = LoadingRegistry({file.module: place for place, file in enumerate(found)})
        self._conflicts = conflicts_of(found, shadowing)
        self._stamps = stamps
        self._before = before
        self._longest_timeout = longest_timeout
        self._functions: dict[Path, list[FunctionMetadata]] = {}
        self._claimed: dict[str, FunctionMetadata] = {}
        self._former: set[str] = set()
        self._failed: set[str] = set()
        self._may_pass: set[str] = set()
        self._errors: list[LoadError] = []
        self._load: Callable[[str], ModuleType] = importlib.import_module
        self._imported: Mapping[str, ModuleType] = sys.modules

    def run(self, modules: ModuleSet | None) -> None:
        """Imports the files, and registers their functions.

        Args:
            modules: where they are imported into; None for `sys.modules` alone.
        """
        if modules is not None:
            self._load, self._imported = modules.load, modules.modules
        files = [file for file in self.files.values() if not file.is_helper and file not in self._conflicts]
        to_load = [file for file in files if not self._keep(file)]
        for file in (*to_load, *self._conflicts):
            for metadata in self._before.functions.get(file.path, ()):
                self.registry.reserved[metadata.name] = metadata
        for file, reason in self._conflicts.items():
            self._errors.append(LoadError(file.file, None, reason))
            self._serve_former(file)
        refused = [file for file in to_load if not self._import(file, is_last_try=False)]
        self.registry.release()
        for file in refused:
            self._import(file, is_last_try=True)
        if modules is not None:
            self._import_helpers(modules)
            self._failed |= modules.failed - modules.modules.keys()
        for metadata, other in self.registry.displaced:
            self._displace(metadata, other)

    def loaded(self) -> Loaded:
        """What it came to."""
        return Loaded(
            stamps=self._stamps,
            files=self.files,
            functions=self._functions,
            failed=frozenset(self._failed),
            may_pass=frozenset(self._may_pass),
            errors=sorted(dict.fromkeys(self._errors), key=lambda error: error.file),
        )

    def current_functions(self) -> list[FunctionMetadata]:
        """The functions of the files as they are now, without those that an older version stands in for."""
        return [metadata for metadata in self.registry.get_all_functions() if metadata.name not in self._former]

    def _keep(self, file: SourceFile) -> bool:
        """Takes over what is loaded of a file that nothing has changed for, or why it is not."""
        if self.affected is None or file.module in self.affected:
            return False
        functions = self._before.functions.get(file.path)
        if file.module in self._before.failed:
            self._failed.add(file.module)
            self._errors += (error for error in self._before.errors if error.file == file.file)
        elif functions is None:
            return False
        self._functions[file.path] = list(functions or ())
        for metadata in functions or ():
            self.registry.settle(metadata)
            self._claimed[metadata.name] = metadata
        return True

    def _import(self, file: SourceFile, *, is_last_try: bool) -> bool:
        """Whether that is all for now: the file is loaded, or has failed and nothing that is to come can help."""
        error: BaseException | None = None
        try:
            self._load(file.module)
        except BaseException as raised:  # noqa: BLE001 - a file may raise anything, sys.exit() included, and must harm only itself
            error = raised
            self._drop_unfinished(file)
        self._claim_new(file)
        if error is None:
            self._functions.setdefault(file.path, [])
            return True
        if isinstance(error, NameReservedError) and not is_last_try:
            return False
        self._fail(file, load_error_of(file, error), may_pass=may_pass(error))
        return True

    def _import_helpers(self, modules: ModuleSet) -> None:
        """Imports the changed helpers that only runs import, so that they, too, get what is new."""
        former = modules.versions.current.modules
        for name, file in self.files.items():
            if file.is_helper and name in former and name not in modules.modules and name not in modules.failed:
                self._import(file, is_last_try=True)

    def _drop_unfinished(self, file: SourceFile) -> None:
        """Takes out the functions of modules that were not imported to their end."""
        for metadata in self.registry.get_all_functions():
            if self._claimed.get(metadata.name) is metadata:
                continue
            module = module_of(metadata)
            if module == file.module or module not in self.files or module not in self._imported:
                self.registry.unregister_functions([metadata])

    def _claim_new(self, file: SourceFile) -> None:
        """Says of the functions that were registered since where they come from, and checks them."""
        for metadata in self.registry.get_all_functions():
            if self._claimed.get(metadata.name) is metadata:
                continue
            defined_in = self.files.get(module_of(metadata))
            # Functions of a helper, or of a library, come along with the file that has imported them.
            source = defined_in if defined_in is not None and not defined_in.is_helper else file
            self._claim(metadata, source, defined_in or file)

    def _claim(self, metadata: FunctionMetadata, source: SourceFile, defined_in: SourceFile) -> None:
        metadata.source = metadata.source or source.root.source
        metadata.source_file = defined_in.file
        try:
            check_definition(metadata, self._longest_timeout)
        except DefinitionError as error:
            self.registry.unregister_functions([metadata])
            self._errors.append(LoadError(defined_in.file, metadata.source_line, str(error)))
            self._failed.add(source.module)
            self._serve_former(source, metadata.name)
            return
        self._claimed[metadata.name] = metadata
        self._functions.setdefault(source.path, []).append(metadata)

    def _fail(self, file: SourceFile, error: LoadError, *, may_pass: bool = False) -> None:
        self._errors.append(error)
        self._failed.add(file.module)
        if may_pass:
            self._may_pass.add(file.module)
        self._serve_former(file)

    def _serve_former(self, file: SourceFile, name: str | None = None) -> None:
        """Has the functions that a file had, or the one of them that is called so, go on serving."""
        for metadata in self._before.functions.get(file.path, ()):
            if name in (None, metadata.name) and self.registry.get_function(metadata.name) is None:
                self.registry.settle(metadata)
                self._former.add(metadata.name)
                self._claimed[metadata.name] = metadata
                self._functions.setdefault(file.path, []).append(metadata)

    def _displace(self, metadata: FunctionMetadata, other: FunctionMetadata) -> None:
        """Says of a function that a file which sorts before its own has its name."""
        reason = f"DuplicateFunctionError: {two_of_one_name(other, metadata)}"
        self._errors.append(LoadError(metadata.source_file or "", metadata.source_line, reason))
        for functions in self._functions.values():
            functions[:] = [each for each in functions if each is not metadata]


def _by_module(found: Sequence[SourceFile]) -> dict[str, SourceFile]:
    files: dict[str, SourceFile] = {}
    for file in found:
        known = files.get(file.module)
        # Of a.py and a/__init__.py in one folder Python takes the package.
        if known is None or (file.is_package and known.root == file.root):
            files[file.module] = file
    return files
