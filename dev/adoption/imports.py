"""The imports of a file: rewritten where what they name is here, explained where it is not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from dev.adoption.draft import Draft, is_free
from dev.adoption.former import MODULE_UNUSED, NAMES, STAR, Meaning
from dev.adoption.scopes import Binding, Importing, Scope, Use
from dev.adoption.sources import Edit
from dev.adoption.statements import Imported, from_edits, import_edits

_BODIES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Functions that take the name of a module, or of something in it, as text.
_TAKE_NAMES = {"import_module", "__import__", "find_spec", "patch", "setattr", "delattr"}


def move_imports(draft: Draft) -> None:
    """Looks at every import of the file, and at every use of what it names."""
    stars = [
        _Star(draft, node, scope)
        for node, scope in draft.names.imports
        if isinstance(node, ast.ImportFrom) and _is_former_star(draft, node)
    ]
    modules = _ModuleNames(draft)
    for node, _ in draft.names.imports:
        if isinstance(node, ast.ImportFrom):
            star = next((star for star in stars if star.node is node), None)
            _move_from(draft, node, star, modules)
        else:
            _move_import(draft, node, modules)
    _explain_what_is_gone(draft)
    _explain_texts(draft)


def _is_former_star(draft: Draft, node: ast.ImportFrom) -> bool:
    if node.level or node.names[0].name != "*":
        return False
    found = draft.meaning(str(node.module))
    return found is not None and (found.place is None or found.was.split(".")[0] != "shared")


class _Star:
    """`from bifrost import *`: the names that this file and those around it take from it, as if they were written."""

    def __init__(self, draft: Draft, node: ast.ImportFrom, scope: Scope) -> None:
        self.node = node
        self.names: list[str] = []
        used = {use.name for use in draft.names.uses if use.scope.owner_of(use.name) in (None, scope)}
        used |= _handed_on(draft.source.tree)
        used |= set(STAR) if draft.taken is None else draft.taken
        for name in sorted(used):
            found = draft.meaning(f"{node.module}.{name}")
            # A name that the file binds besides, it may use before that.
            is_bound = name in scope.bindings and (found is None or found.kind != "moved")
            if self._gives(draft, name) and not is_bound:
                self.names.append(name)
                scope.bind(Binding(name, scope, node, None, f"{node.module}.{name}", star=True))

    def _gives(self, draft: Draft, name: str) -> bool:
        if self.node.module == "bifrost":
            return name in STAR
        found = draft.meaning(f"{self.node.module}.{name}")
        return found is not None and (found.kind == "moved" or name in NAMES)


def _handed_on(tree: ast.Module) -> set[str]:
    """The names in `__all__`."""
    names: set[str] = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            names |= {
                found.value
                for found in ast.walk(node)
                if isinstance(found, ast.Constant) and isinstance(found.value, str)
            }
    return names


def _move_from(draft: Draft, node: ast.ImportFrom, star: _Star | None, modules: _ModuleNames) -> None:
    if node.level or node.module is None:
        return
    aliases = [ast.alias(name) for name in star.names] if star is not None else node.names
    names: list[Imported] = []
    needed: set[str] = set()
    for alias in aliases:
        found = draft.meaning(f"{node.module}.{alias.name}") if alias.name != "*" else None
        target = (node.module, alias.name)
        if found is not None:
            draft.is_former = draft.is_former or not found.was.startswith("shared.")
            if found.place is not None:
                module, name = found.place.module, found.place.name
                package, _, last = module.rpartition(".")
                target = (module, name) if name is not None else (package, last)
            if found.kind == "package":
                needed |= modules.needed(node, alias)
                if found.place is None and modules.is_over(node, alias):
                    continue
        names.append(Imported(alias, *target))
    if star is not None and not names:
        draft.is_former = True
        draft.todo(node, f"`{draft.source.text_of(node)}`: {MODULE_UNUSED}")
    elif names or needed:
        draft.edit(from_edits(draft.source, node, names, sorted(needed)), node)


def _move_import(draft: Draft, node: ast.Import, modules: _ModuleNames) -> None:
    parts: list[list[str]] = []
    for alias in node.names:
        written = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
        found = draft.meaning(alias.name)
        part = [written]
        if found is not None:
            draft.is_former = draft.is_former or not found.was.startswith("shared")
            if alias.asname and found.place is not None and found.place.name is None:
                written = f"{found.place.module} as {alias.asname}"
                part = [*sorted(modules.needed(node, alias)), written]
            else:
                part = sorted(modules.needed(node, alias) - {alias.name})
                if not modules.is_over(node, alias):
                    part.append(written)
        parts.append(part)
    draft.edit(import_edits(draft.source, node, parts), node)


class _ModuleNames:
    """Names bound to a module of the former system: `import bifrost`, and all that is read from them."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._needed: dict[tuple[Scope, str], set[str]] = {}
        self._over: set[tuple[Scope, str]] = set()
        self._keys: dict[ast.alias, tuple[Scope, str]] = {}
        seen: dict[tuple[Scope, str], list[Binding]] = {}
        for binding in list(draft.names.bindings):
            if binding.alias is None or binding.dotted is None:
                continue
            imported = binding.alias.name if isinstance(binding.node, ast.Import) else binding.dotted
            found = draft.meaning(imported)
            if found is not None and found.kind == "package":
                self._keys[binding.alias] = (binding.scope, binding.name)
                seen.setdefault((binding.scope, binding.name), []).append(binding)
        for key, bindings in seen.items():
            self._look(key, bindings)

    def needed(self, node: Importing, alias: ast.alias) -> set[str]:
        """The modules that this import has to give, since what is read from its name is there."""
        key = self._keys.get(alias)
        if key is None:
            return set()
        scope, _ = key
        there: set[str] = set()
        for statement, where in self._draft.names.imports:
            # What stands below an `if` or a `try` may not have been imported.
            is_sure = isinstance(self._draft.names.parents[statement], _BODIES) and statement.lineno < node.lineno
            if where is scope and is_sure:
                for other in statement.names:
                    if isinstance(statement, ast.Import) and not other.asname and other.name.startswith("shared."):
                        there.add(other.name)
                    there |= self._needed.get(self._keys.get(other, (where, "")), set())
        # Something has to stand where the statement is.
        return self._needed[key] - there or self._needed[key]

    def is_over(self, node: Importing, alias: ast.alias) -> bool:
        """Whether nothing needs the import as it stands any more."""
        key = self._keys.get(alias)
        name = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        found = self._draft.meaning(name)
        is_here = found is not None and found.place is not None and name.startswith("shared")
        return key is not None and key in self._over and not is_here

    def _look(self, key: tuple[Scope, str], bindings: list[Binding]) -> None:
        draft = self._draft
        scope, name = key
        needed = self._needed[key] = set()
        uses = [use for use in draft.names.uses if use.name == name and use.scope.owner_of(name) is scope]
        uses += self._in_texts(scope, name)
        module = draft.meaning(str(bindings[0].dotted))
        # A name for a module that is here stays, whatever the module is called: `import shared.context as c`.
        stays = module is not None and module.place is not None
        whole = len({binding.dotted for binding in scope.bindings[name]}) == 1
        if not stays and scope.kind == "module" and (draft.taken is None or name in draft.taken):
            draft.todo(bindings[0].node, f"other files import `{name}` from this one: have them import what they use")
            whole = False
        left = False
        for use in uses:
            left = not self._rewrite(use, bindings[0], module, needed, whole=whole) or left
        if not uses and not stays:
            draft.todo(bindings[0].node, f"`{name}`: {MODULE_UNUSED}")
        elif not left and uses and whole:
            self._over.add(key)

    def _rewrite(self, use: Use, binding: Binding, module: Meaning | None, needed: set[str], *, whole: bool) -> bool:
        """Has a use come from where it is here; whether that could be done."""
        draft = self._draft
        found = draft.meaning(".".join((str(binding.dotted), *use.attributes)))
        assert found is not None
        if found.kind == "gone":
            return False  # explained with all the others
        stays = module.place if module is not None else None
        if found.place is None or found.place.name is None:
            if stays is not None:
                return True
            draft.todo(use.node, f"`{use.name}` is used as a value here: write out what you need of it", binding.node)
            return False
        count = len(use.attributes) - len(found.rest)
        before = ".".join((use.name, *use.attributes[:count]))
        in_same_module = stays is not None and stays.module == found.place.module
        after = f"{use.name if in_same_module else found.place.module}.{found.place.name}"
        if after == before:
            return True
        place = draft.range_of(use, count)
        is_read = use.is_read or count < len(use.attributes)
        if place is None or not is_read or not whole or not (in_same_module or self._may_be_shared(use, binding.scope)):
            draft.todo(use.node, f"`{before}` is {after} here", binding.node)
            return False
        draft.edit([Edit(*place, after)])
        if not in_same_module:
            needed.add(found.place.module)
        return True

    def _may_be_shared(self, use: Use, owner: Scope) -> bool:
        """Whether `shared` can be bound where this name is, and be read where it is used."""
        others = {scope for scope, _ in self._keys.values()} - {owner}
        return is_free(self._draft, "shared", owner) and not any(
            scope in others or "shared" in scope.bindings for scope in use.scope.up_to(owner)
        )

    def _in_texts(self, owner: Scope, name: str) -> Iterable[Use]:
        """Uses in annotations that are text."""
        draft = self._draft
        pattern = re.compile(rf"(?<![\w.]){re.escape(name)}((?:\.\w+)+)")
        for text, scope in draft.names.texts:
            if scope.owner_of(name) is not owner:
                continue
            start, end = draft.source.span(text)
            for match in pattern.finditer(draft.source.text, start, end):
                node = ast.copy_location(ast.Name(name, ast.Load()), text)
                attributes = tuple(match[1][1:].split("."))
                found = draft.meaning(".".join((str(owner.bindings[name][0].dotted), *attributes)))
                rest = sum(len(part) + 1 for part in found.rest) if found is not None else 0
                place = (match.start(), match.end() - rest)
                yield Use(name, scope, node, attributes, node, is_read=True, in_text=place)


def _explain_what_is_gone(draft: Draft) -> None:
    """One finding for each former name that is not here, with the lines that use it."""
    lines: dict[str, list[Use]] = {}
    meanings: dict[str, Meaning] = {}
    used: set[Binding] = set()
    for use in draft.names.uses:
        found = draft.meaning_of_use(use)
        if found is not None and found.kind == "gone":
            lines.setdefault(found.was, []).append(use)
            meanings[found.was] = found
            used.update(draft.bindings_of(use))
    for was, uses in lines.items():
        found = meanings[was]
        imports = [binding.node for use in uses for binding in draft.bindings_of(use) if binding.alias or binding.star]
        draft.todo(uses[0].node, f"{was} does not exist here: {found.advice(draft.here)}", *imports, uses=uses)
    for binding in draft.names.bindings:
        if binding.dotted is None or binding in used:
            continue
        found = draft.meaning(binding.dotted)
        if found is not None and found.kind == "gone":
            draft.todo(binding.node, f"{found.was} does not exist here: {found.advice(draft.here)}")


def _explain_texts(draft: Draft) -> None:
    """Former modules whose names are given as text: to importlib, to unittest.mock."""
    for node in ast.walk(draft.source.tree):
        texts: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = node.args[:1] if name in _TAKE_NAMES else []
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "sys.modules":
            texts = [node.slice]
        for text in texts:
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found = draft.meaning(text.value) if re.fullmatch(r"\w+(\.\w+)*", text.value) else None
                if found is not None and (found.kind == "gone" or found.place is None or found.was[:6] != "shared"):
                    place = found.place
                    path = place and ".".join(filter(None, (place.module, place.name, *found.rest)))
                    instead = f"write {path}" if path else found.advice(draft.here)
                    draft.todo(text, f"{text.value!r} names a module of the former system: {instead}")
