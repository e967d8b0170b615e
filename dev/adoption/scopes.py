"""Which name of a file means what: its scopes, what binds names in them, and where they are used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["module", "function", "class", "comprehension"]
Importing = ast.Import | ast.ImportFrom
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(eq=False, slots=True)
class Binding:
    """Something that gives a name its value.

    Attributes:
        scope: where it does.
        node: the statement, the parameter, or the name itself.
        alias: of an import.
        dotted: what an import of absolute modules stands for, such as `bifrost.workflow`.
        star: whether the name came by `import *`, so that the import does not have it.
    """

    name: str
    scope: Scope
    node: ast.AST
    alias: ast.alias | None = None
    dotted: str | None = None
    star: bool = False


@dataclass(eq=False, slots=True)
class Scope:
    """A scope of Python's, with what is bound in it."""

    kind: Kind
    node: ast.AST
    parent: Scope | None = None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    declared_global: set[str] = field(default_factory=set)
    declared_nonlocal: set[str] = field(default_factory=set)

    @property
    def module(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def bind(self, binding: Binding) -> None:
        self.bindings.setdefault(binding.name, []).append(binding)

    def owner_of(self, name: str) -> Scope | None:
        """The scope that a name used here belongs to; None for one that nothing in the file binds."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.declared_global:
                scope = self.module
                return scope if name in scope.bindings else None
            if name in scope.bindings and (scope is self or scope.kind != "class"):
                return scope
            scope = scope.parent
        return None

    def up_to(self, owner: Scope) -> Iterator[Scope]:
        """This scope and those around it, `owner` not among them."""
        scope = self
        while scope is not owner:
            yield scope
            assert scope.parent is not None
            scope = scope.parent


@dataclass(eq=False, slots=True)
class Use:
    """A name where it is read, and the attributes that follow it.

    Attributes:
        outermost: the whole of it: `a.b.c` for the name `a`.
        in_text: a place in the file, when the name stands in an annotation that is text; else None.
    """

    name: str
    scope: Scope
    node: ast.Name
    attributes: tuple[str, ...]
    outermost: ast.expr
    is_read: bool
    in_text: tuple[int, int] | None = None


class Names(ast.NodeVisitor):
    """All scopes, imports and uses of a file.

    Attributes:
        imports: each statement, with its scope.
        bindings: of imports.
        uses: of names, in the order of the file; `use_of` has them by their nodes.
        texts: annotations that are text, with their scope.
        parents: of expressions and statements.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.parents: dict[ast.AST, ast.AST] = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self.imports: list[tuple[Importing, Scope]] = []
        self.scopes: dict[ast.AST, Scope] = {}
        self.uses: list[Use] = []
        self.use_of: dict[ast.AST, Use] = {}
        self.texts: list[tuple[ast.Constant, Scope]] = []
        self.module = self.scope = self._scope("module", tree)
        for statement in tree.body:
            self.visit(statement)

    @property
    def bindings(self) -> Iterator[Binding]:
        for scope in self.scopes.values():
            for found in scope.bindings.values():
                yield from found

    def _scope(self, kind: Kind, node: ast.AST) -> Scope:
        scope = Scope(kind, node, None if kind == "module" else self.scope)
        self.scopes[node] = scope
        return scope

    def _bind(self, name: str, node: ast.AST, alias: ast.alias | None = None, dotted: str | None = None) -> None:
        scope = self.scope
        if name in scope.declared_global:
            scope = scope.module
        elif name in scope.declared_nonlocal and scope.parent is not None:
            scope = scope.parent.owner_of(name) or scope
        scope.bind(Binding(name, scope, node, alias, dotted))

    # What opens a scope.

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._annotation(node.returns)
        self._bind(node.name, node)
        self._function(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's name

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, body: list[ast.stmt] | list[ast.expr]
    ) -> None:
        arguments = node.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters += [found for found in (arguments.vararg, arguments.kwarg) if found is not None]
        for parameter in parameters:
            self._annotation(parameter.annotation)
        outer, self.scope = self.scope, self._scope("function", node)
        for parameter in parameters:
            self._bind(parameter.arg, parameter)
        for parameter in getattr(node, "type_params", ()):
            self._bind(parameter.name, parameter)
        self._declarations(body)
        for child in body:
            self.visit(child)
        self.scope = outer

    def _declarations(self, body: list[ast.stmt] | list[ast.expr]) -> None:
        """What a function says is global or nonlocal holds for all of it."""
        waiting: list[ast.AST] = list(body)
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Global):
                self.scope.declared_global.update(node.names)
            elif isinstance(node, ast.Nonlocal):
                self.scope.declared_nonlocal.update(node.names)
            elif not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                waiting.extend(ast.iter_child_nodes(node))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for child in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(child)
        self._bind(node.name, node)
        outer, self.scope = self.scope, self._scope("class", node)
        for parameter in getattr(node, "type_params", ()):
            self._bind(parameter.name, parameter)
        self._declarations(node.body)
        for child in node.body:
            self.visit(child)
        self.scope = outer

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        outer, self.scope = self.scope, self._scope("comprehension", node)
        for index, generator in enumerate(node.generators):
            self.visit(generator.target)
            if index:
                self.visit(generator.iter)
            for condition in generator.ifs:
                self.visit(condition)
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)
        self.scope = outer

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815 - ast's names

    # What binds a name.

    def visit_Import(self, node: ast.Import) -> None:
        self.imports.append((node, self.scope))
        for alias in node.names:
            top = alias.name.split(".")[0]
            self._bind(alias.asname or top, node, alias, alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.append((node, self.scope))
        for alias in node.names:
            if alias.name != "*":
                dotted = f"{node.module}.{alias.name}" if node.level == 0 else None
                self._bind(alias.asname or alias.name, node, alias, dotted)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        inner = self.scope
        while self.scope.kind == "comprehension" and self.scope.parent is not None:
            self.scope = self.scope.parent
        self._bind(node.target.id, node)
        self.scope = inner

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, node)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name, node)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name, node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest, node)
        self.generic_visit(node)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        self.generic_visit(node)

    # What uses one.

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id, node)
            return
        attributes: list[str] = []
        outermost: ast.expr = node
        while isinstance(found := self.parents.get(outermost), ast.Attribute):
            attributes.append(found.attr)
            outermost = found
        is_read = not isinstance(outermost, ast.Attribute) or isinstance(outermost.ctx, ast.Load)
        use = Use(node.id, self.scope, node, tuple(attributes), outermost, is_read)
        self.uses.append(use)
        self.use_of[node] = use

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        self._annotation(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def _annotation(self, annotation: ast.expr | None) -> None:
        if annotation is None:
            return
        for node in ast.walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.texts.append((node, self.scope))
        self.visit(annotation)
