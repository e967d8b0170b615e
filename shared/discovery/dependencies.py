"""What depends on what: the modules that a changed file concerns, and no other, are imported anew.

An unchanged module keeps what it has made at its top level, such as clients and caches.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Collection, Iterator, Mapping

_AT_RUN_TIME = (b"importlib", b"__import__", b"pkgutil", b"runpy", b"sys.modules")


def imports_of(content: bytes, module: str, *, is_package: bool) -> frozenset[str] | None:
    """The names of the modules that a file may import, anywhere in it, with those of the packages above them.

    Args:
        content: of the file.
        module: its own name.
        is_package: whether it is an `__init__.py`.

    Returns:
        None when it may be any: the file imports by names that are made when it runs.
    """
    if any(word in content for word in _AT_RUN_TIME):
        return None
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # it can't be imported either
        return frozenset()
    package = module if is_package else module.rpartition(".")[0]
    return frozenset(above for name in _imported(tree, package) for above in (name, *packages_above(name)))


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level:
                try:
                    name = importlib.util.resolve_name("." * node.level + name, package)
                except ImportError:
                    continue
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def packages_above(module: str) -> list[str]:
    """The names of the packages that a module lies in."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def affected_by(
    changed: Collection[str], imports: Mapping[str, frozenset[str] | None], *, with_any: bool = True
) -> set[str]:
    """The names of `changed`, and of all modules that depend on one of them.

    Args:
        changed: names of modules; of such that are gone, too.
        imports: of each module that there is, `imports_of`.
        with_any: whether modules that may import any depend on each.
    """
    affected = set(changed)
    if not affected:
        return affected
    if with_any:
        affected.update(name for name, found in imports.items() if found is None)
    while True:
        more = {
            name
            for name, found in imports.items()
            if name not in affected
            and (not affected.isdisjoint(found or ()) or not affected.isdisjoint(packages_above(name)))
        }
        if not more:
            return affected
        affected |= more
