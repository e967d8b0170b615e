"""What the decorators are given: arguments, names and types that do not exist here."""

from __future__ import annotations

import ast
import difflib
import re

from dev.adoption.draft import Draft
from dev.adoption.former import ARGUMENTS, TYPES, sentence
from dev.adoption.here import NAME
from dev.adoption.scopes import Use

_MODULE = "shared.decorators"
_TYPES_OF_PYTHON = {"str": "string", "int": "int", "bool": "bool", "float": "float", "dict": "json", "list": "list"}


def look_at_definitions(draft: Draft) -> None:
    """Checks each call of a decorator, and lists the functions that are decorated."""
    decorators: dict[ast.expr, str] = {}
    for use in draft.names.uses:
        found = draft.meaning_of_use(use)
        if found is None or found.place is None or found.rest or found.place.module != _MODULE:
            continue
        name = str(found.place.name)
        if name not in draft.here.arguments:
            continue
        expression = use.outermost
        decorators[expression] = name
        call = draft.names.parents.get(expression)
        is_former = not found.was.startswith("shared.") or _comes_from_elsewhere(draft, use)
        if isinstance(call, ast.Call) and call.func is expression:
            _look_at_call(draft, name, call, is_former=is_former)
        elif (function := _decorated(expression, call)) is not None:
            if name not in draft.here.bare:
                draft.todo(expression, f"@{name} needs arguments here: @{name}(name={function.name!r})", expression)
            draft.without_timeout += is_former and name == "workflow"
    for node in draft.source.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                target = decorator.func if isinstance(decorator, ast.Call) else decorator
                if decorators.get(target) in ("workflow", "data_provider"):
                    draft.functions[node.name] = decorator.lineno


def _decorated(expression: ast.expr, node: ast.AST | None) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function that an expression decorates."""
    is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return node if is_function and expression in node.decorator_list else None


def _comes_from_elsewhere(draft: Draft, use: Use) -> bool:
    return any((binding.dotted or "").split(".")[0] not in ("", "shared") for binding in draft.bindings_of(use))


def _look_at_call(draft: Draft, decorator: str, call: ast.Call, *, is_former: bool) -> None:
    given = {keyword.arg: keyword for keyword in call.keywords if keyword.arg is not None}
    has_all = all(keyword.arg is not None for keyword in call.keywords)
    has_all = has_all and not any(isinstance(argument, ast.Starred) for argument in call.args)
    known = draft.here.arguments[decorator]
    for name, keyword in given.items():
        if name not in known:
            draft.todo(keyword, f"@{decorator} has no argument {name!r}: {_instead(draft, decorator, name)}", call)
    values = dict(zip(known, call.args, strict=False)) | {name: keyword.value for name, keyword in given.items()}
    for name in draft.here.required[decorator] if has_all else ():
        if name not in values:
            function = _decorated(call, draft.names.parents.get(call))
            hint = f": name={function.name!r}" if function is not None and name == "name" else ""
            draft.todo(call, f"@{decorator} needs {name!r} here{hint}", call)
    if decorator == "param":
        _look_at_type(draft, values.get("type"), call)
        return
    _look_at_name(draft, decorator, values.get("name"), call)
    mode = values.get("execution_mode")
    if isinstance(mode, ast.Constant) and mode.value not in ("sync", "async"):
        draft.todo(mode, f"execution_mode is 'sync' or 'async' here, not {mode.value!r}", call)
    _look_at_retries(draft, values.get("retry_policy"), call)
    if decorator == "workflow" and has_all and is_former:
        if mode is None and _is_true(values.get("endpoint_enabled")):
            draft.note(call, 'its endpoint answers 202 at once here: execution_mode="sync" has it wait for the result')
        if "timeout_seconds" not in values and set(given) <= set(known):
            draft.without_timeout += 1


def _instead(draft: Draft, decorator: str, name: str) -> str:
    advice = ARGUMENTS.get(f"{decorator}.{name}")
    if advice is not None:
        return sentence(advice, draft.here)
    close = difflib.get_close_matches(name, draft.here.arguments[decorator], 1)
    return f"did you mean {close[0]!r}?" if close else "docs/decorators.md has those that there are"


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _look_at_name(draft: Draft, decorator: str, node: ast.expr | None, call: ast.Call) -> None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or NAME.fullmatch(node.value):
        return
    name = re.sub(r"[^a-z0-9]+", "_", node.value.lower()).strip("_")[:63].rstrip("_")
    hint = f"{name!r} would do, and so must whoever calls it by name" if NAME.fullmatch(name) else "choose another"
    what = "workflow" if decorator == "workflow" else "data provider"
    draft.todo(node, f"{node.value!r} is no name of a {what} here (lower-case letters, digits and '_'): {hint}", call)


def _look_at_type(draft: Draft, node: ast.expr | None, call: ast.Call) -> None:
    known = draft.here.parameter_types
    if isinstance(node, ast.Name) and node.id in _TYPES_OF_PYTHON:
        draft.todo(node, f"the type of a parameter is a text here: type={_TYPES_OF_PYTHON[node.id]!r}", call)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in known:
        close = TYPES.get(node.value) or next(iter(difflib.get_close_matches(node.value, known, 1)), None)
        hint = f"{close!r} is what comes closest" if close else f"there are {', '.join(known)}"
        draft.todo(node, f"parameters have no type {node.value!r} here: {hint}", call)


def _look_at_retries(draft: Draft, node: ast.expr | None, call: ast.Call) -> None:
    if not isinstance(node, ast.Dict):
        return
    known = draft.here.retry_fields
    for key in node.keys:
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value not in known:
            close = difflib.get_close_matches(key.value, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            draft.todo(key, f"a retry_policy has no {key.value!r}: {hint}", call)
