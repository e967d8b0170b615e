"""Versions of a workspace's modules side by side: a run sees those that it began with, until it ends.

`sys.modules` has one place for a name. From a module's second version on a door stands in that place, and shows to
each who looks the version of their own set: the set that is being loaded, the one that their run began with, or else
the one in use. Imports inside of a run, `importlib`, and pickling, which looks a class up by the name of its module,
so agree with each other, in threads and forked processes of the run too.

Only a workspace that is loaded anew while the process lives has doors; any other has plain modules.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
import threading
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, cast
from weakref import WeakSet

_seen: ContextVar[_View | None] = ContextVar("module_view", default=None)

MODULE_SET = "module_set"
"""The name under which a function's `derived` has the set that it belongs to."""

# What tools ask of every module in `sys.modules` without meaning one; it has none loaded.
_ABOUT_A_MODULE = frozenset({"__class__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"})


class ModuleVersions:
    """The sets of modules of one workspace: the one in use, and those that runs under way still see.

    Attributes:
        current: the one in use.
    """

    def __init__(self) -> None:
        self.current = ModuleSet(self, {}, ())
        # Runs begin in one thread while files are loaded in another.
        self._views_lock = threading.Lock()
        self._views: WeakSet[_View] = WeakSet()
        self._doors: set[str] = set()

    def adopt(self, modules: Mapping[str, ModuleType]) -> None:
        """Adds modules that were imported past `ModuleSet.load` to the set in use: at first load, or by a run."""
        for name, module in modules.items():
            if not is_door(name):
                self.current.modules.setdefault(name, module)

    def use(self, following: ModuleSet, *, beside: Iterable[ModuleSet] = ()) -> None:
        """Puts a set in use, for all who see none of their own.

        Args:
            following: the set.
            beside: older ones that new runs will see, too.
        """
        self.current = following
        with self._views_lock:
            kept = [following, *beside, *(view.modules for view in self._views)]
        for name in [name for name in self._doors if not any(name in modules.modules for modules in kept)]:
            self._doors.discard(name)
            if is_door(name):
                del sys.modules[name]

    def view_of(self, modules: ModuleSet) -> _View:
        """A way to see a set; for as long as it is held, the set's modules can be found."""
        view = _View(modules)
        with self._views_lock:
            self._views.add(view)
        return view

    def next(self, unchanged: Collection[str], tops: Collection[str]) -> ModuleSet:
        """A set for the next state of the workspace, which is not in use yet.

        Args:
            unchanged: names of the modules that it takes over from the set in use.
            tops: the names, up to their first dot, that it is asked for.
        """
        modules = self.current.modules
        for name in modules.keys() - set(unchanged):
            if name in sys.modules and not is_door(name):
                sys.modules[name] = _Door(name, self)
                self._doors.add(name)
        return ModuleSet(self, {name: modules[name] for name in unchanged if name in modules}, tops)


class ModuleSet:
    """The modules of one state of a workspace.

    Attributes:
        modules: by name, whole or while they are being executed.
        failed: names of those that have raised while they were executed.
    """

    def __init__(self, versions: ModuleVersions, modules: dict[str, ModuleType], tops: Collection[str]) -> None:
        self.modules = modules
        self.versions = versions
        self.failed: set[str] = set()
        self.is_loading = False
        self._tops = frozenset(tops)

    def seen_in(self, context: Context) -> None:
        """Has the code that runs in `context` see these modules."""
        context.run(_seen.set, self.versions.view_of(self))

    @contextmanager
    def loading(self) -> Generator[None]:
        """Inside the block imports load modules into this set, in this thread; others go on with what they have."""
        token = _seen.set(self.versions.view_of(self))
        self.is_loading = True
        before = builtins.__import__

        def import_(
            name: str,
            globals: Mapping[str, Any] | None = None,  # noqa: A002 - as `__import__` has it
            locals: Mapping[str, Any] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            view = _seen.get()
            if view is not None and view.modules.is_loading:
                view.modules._load_imported(name, globals or {}, fromlist or (), level)
            return before(name, globals, locals, fromlist or (), level)

        builtins.__import__ = import_
        try:
            yield
        finally:
            if builtins.__import__ is import_:
                builtins.__import__ = before
            self.is_loading = False
            _seen.reset(token)

    def load(self, name: str) -> ModuleType:
        """The module of this name, imported unless this set has it.

        Raises:
            ModuleNotFoundError: there is none.
            BaseException: whatever the module raises when it is executed.
        """
        if name in self.modules:
            return self.modules[name]
        above_name, _, own_name = name.rpartition(".")
        above = self.load(above_name) if above_name else None
        if name in self.modules:  # the package has imported it
            return self.modules[name]
        if above is not None and not hasattr(above, "__path__"):
            raise ModuleNotFoundError(f"No module named {name!r}; {above_name!r} is not a package", name=name)
        spec = PathFinder.find_spec(name, above.__path__ if above is not None else None)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        module = importlib.util.module_from_spec(spec)
        self._enter(name, module)
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            # A file may raise anything, and a module that is half made must not be found.
            self._leave(name, module)
            raise
        if above is not None:
            setattr(above, own_name, module)
        return module

    def put(self, name: str, module: ModuleType) -> None:
        """Has an older version stand for a module that can't be loaded."""
        self.modules[name] = module
        above_name, _, own_name = name.rpartition(".")
        above = self.modules.get(above_name)
        if above is not None and own_name not in vars(above):
            setattr(above, own_name, module)

    def _load_imported(self, name: str, importer: Mapping[str, Any], items: Collection[str], level: int) -> None:
        """Loads what an import statement in `importer` is about to ask for, where it is the workspace's."""
        if level > 0:
            try:
                name = importlib.util.resolve_name("." * level + name, importer.get("__package__"))
            except ImportError:  # the statement itself will say so
                return
        if name.partition(".")[0] not in self._tops:
            return
        module = self.load(name)
        if not items or not hasattr(module, "__path__"):
            return
        for item in cast("Collection[str]", getattr(module, "__all__", ())) if "*" in items else items:
            below = f"{name}.{item}"
            if hasattr(module, item):
                continue
            if PathFinder.find_spec(below, module.__path__) is not None:
                self.load(below)
            elif is_door(below):
                raise ImportError(f"cannot import name {item!r} from {name!r}", name=name)

    def _enter(self, name: str, module: ModuleType) -> None:
        self.modules[name] = module
        # A folder without __init__.py is made anew each time, and unchanged modules below it are not imported again.
        for below, other in list(self.modules.items()):
            if below.rpartition(".")[0] == name:
                setattr(module, below.rpartition(".")[2], other)
        if not is_door(name):
            sys.modules[name] = module

    def _leave(self, name: str, module: ModuleType) -> None:
        self.failed.add(name)
        if self.modules.get(name) is module:
            del self.modules[name]
        if sys.modules.get(name) is module:
            del sys.modules[name]


class _View:
    """What a run, or a thread that loads, sees. Nothing that lives longer holds it."""

    __slots__ = ("__weakref__", "modules")

    def __init__(self, modules: ModuleSet) -> None:
        self.modules = modules


def is_door(name: str) -> bool:
    """Whether a door stands in a module's place in `sys.modules`."""
    return type(sys.modules.get(name)) is _Door


class _Door(ModuleType):
    """Stands in `sys.modules` for all versions of a module."""

    def __init__(self, name: str, versions: ModuleVersions) -> None:
        super().__init__(name)
        own: dict[str, Any] = object.__getattribute__(self, "__dict__")
        own["_versions"] = versions

    def __getattribute__(self, name: str) -> Any:
        module = _behind(self, name)
        return ModuleType.__getattribute__(self, name) if module is None else getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        module = _behind(self, name)
        if module is None:
            raise AttributeError(f"the module {self.__name__!r} is gone")
        setattr(module, name, value)

    def __delattr__(self, name: str) -> None:
        module = _behind(self, name)
        if module is None:
            raise AttributeError(f"the module {self.__name__!r} is gone")
        delattr(module, name)


def _behind(door: _Door, asked: str) -> ModuleType | None:
    """The version that a door shows to who looks now; None when the module is gone."""
    own: dict[str, Any] = object.__getattribute__(door, "__dict__")
    versions: ModuleVersions = own["_versions"]
    view = _seen.get()
    seen = view.modules if view is not None and view.modules.versions is versions else versions.current
    module = seen.modules.get(own["__name__"])
    if module is not None:
        return module
    if seen.is_loading:
        return seen.load(own["__name__"]) if asked not in _ABOUT_A_MODULE else None
    return versions.current.modules.get(own["__name__"])
