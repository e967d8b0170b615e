"""Bicep files as far as their syntax tells: parameters, variables, outputs, modules. It compiles nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))


@dataclass(frozen=True)
class Module:
    """A module as it is used: where its file is, and which parameters it gets."""

    path: Path
    params: set[str]


@dataclass(frozen=True)
class Bicep:
    """One file.

    Attributes:
        mistakes: lines that are no Bicep.
        params: the parameters, and whether each has to be given.
        variables: names, with the keys of the objects that they are, or may be.
        outputs: names.
        modules: by symbolic name.
        module_outputs: which outputs of modules are asked for, as pairs of symbolic name and output.
        text: the file.
    """

    mistakes: list[int]
    params: dict[str, bool]
    variables: dict[str, set[str]]
    outputs: set[str]
    modules: dict[str, Module]
    module_outputs: set[tuple[str, str]]
    text: str


def read_bicep(path: Path) -> Bicep:
    """Reads a file."""
    source = path.read_bytes()
    root = _PARSER.parse(source).root_node
    top = {kind: [node for node in root.children if node.type == f"{kind}_declaration"] for kind in _KINDS}
    modules = {
        _name(node): Module((path.parent / _text(_first(node, "string_content"))).resolve(), _given(node))
        for node in top["module"]
    }
    return Bicep(
        mistakes=[node.start_point.row + 1 for node in _walk(root) if node.is_error or node.is_missing],
        params={_name(node): all(child.type != "=" for child in node.children) for node in top["parameter"]},
        variables={_name(node): _keys(node) for node in top["variable"]},
        outputs={_name(node) for node in top["output"]},
        modules=modules,
        module_outputs={pair for node in _walk(root) for pair in _asked(node, modules)},
        text=source.decode(),
    )


_KINDS = ("parameter", "variable", "output", "module")


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _first(node: Node, kind: str) -> Node:
    return next(found for found in _walk(node) if found.type == kind)


def _name(node: Node) -> str:
    return next(_text(child) for child in node.children if child.type == "identifier")


def _properties(node: Node) -> Iterator[Node]:
    return (child for child in node.children if child.type == "object_property")


def _keys(node: Node) -> set[str]:
    objects = [found for found in _walk(node) if found.type == "object"]
    return {_text(found.children[0]).strip("'") for holder in objects for found in _properties(holder)}


def _given(module: Node) -> set[str]:
    for found in _walk(module):
        if found.type == "object_property" and _text(found.children[0]) == "params":
            return {_text(given.children[0]) for given in _properties(_first(found, "object"))}
    return set()


def _asked(node: Node, modules: dict[str, Module]) -> Iterator[tuple[str, str]]:
    """`module.outputs.name`, also with the `!` of a conditional module."""
    parts = _text(node).replace("!", "").split(".") if node.type == "member_expression" else []
    if len(parts) == 3 and parts[1] == "outputs" and parts[0] in modules:
        yield parts[0], parts[2]
