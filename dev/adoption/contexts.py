"""The execution context: members that have another name here, and those that do not exist."""

from __future__ import annotations

import ast
import difflib
import re

from dev.adoption.draft import Draft
from dev.adoption.former import CONTEXT, CONTEXT_NAMES, LOG_LEVELS, ORGANIZATION_NAMES, sentence
from dev.adoption.scopes import Binding, Use
from dev.adoption.sources import Edit

_OURS = ("shared.context", "ExecutionContext")
_PARAMETERS_WITH_OTHER_NAMES = {"status_code": "status"}


def move_contexts(draft: Draft) -> None:
    """Looks at everything that is read from a context."""
    kinds: dict[Binding, bool | None] = {}
    gone: dict[str, tuple[str, list[Use]]] = {}
    for use in draft.names.uses:
        bindings = draft.bindings_of(use)
        if len(bindings) != 1 or not use.attributes:
            continue
        (binding,) = bindings
        if binding not in kinds:
            kinds[binding] = _is_context(draft, binding)
        certain = kinds[binding]
        if certain is None:
            continue
        missing = _look(draft, use, is_certain=certain)
        if missing is not None:
            what, advice = missing
            gone.setdefault(what, (advice, []))[1].append(use)
    for what, (advice, uses) in gone.items():
        draft.todo(uses[0].node, f"context.{what} does not exist here: {advice}", uses=uses)


def _is_context(draft: Draft, binding: Binding) -> bool | None:
    """Whether a name is a context: for sure (True), by its name only (False), or not at all (None)."""
    if binding.dotted is not None:
        found = draft.meaning(binding.dotted)
        return True if found is not None and found.kind == "gone" and found.key == "context" else None
    function = binding.scope.node
    if not isinstance(binding.node, ast.arg) or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    if binding.node.annotation is not None:
        return True if _names_a_context(draft, binding.node.annotation) else None
    first = [*function.args.posonlyargs, *function.args.args][:1]
    return False if binding.name == "context" and first == [binding.node] else None


def _names_a_context(draft: Draft, annotation: ast.expr) -> bool:
    nodes = list(ast.walk(annotation))
    for node in nodes:
        use = draft.names.use_of.get(node)
        found = draft.meaning_of_use(use) if use is not None else None
        if found is not None and found.place is not None and (found.place.module, found.place.name) == _OURS:
            return True
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(text.split(".")[-1] in ("ExecutionContext", "OrganizationContext") for text in texts)


def _look(draft: Draft, use: Use, *, is_certain: bool) -> tuple[str, str] | None:
    """Renames what can be; gives the member that is missing, with advice, or None."""
    for former, ours in CONTEXT_NAMES.items():
        if use.attributes[: len(former)] == former and not draft.here.has(f"context.{former[0]}"):
            if not _rename(draft, use, len(former), ours):
                return ".".join(former), f"it is context.{ours}"
            _rename_arguments(draft, use, len(former))
            return None
    member = use.attributes[0]
    if member == "log" and not draft.here.has("context.log"):
        return None if _rewrite_log(draft, use) else (member, sentence(CONTEXT[member], draft.here))
    if member in LOG_LEVELS:
        return _look_at_data(draft, use)
    if draft.here.has(f"context.{member}"):
        return _look_at_the_organization(draft, use) if member == "organization" else None
    if member in CONTEXT:
        return member, sentence(CONTEXT[member], draft.here)
    if not is_certain or member.startswith("__"):
        return None
    close = difflib.get_close_matches(member, draft.here.context, 1)
    return member, f"did you mean {close[0]}?" if close else "docs/context.md has what there is"


def _look_at_the_organization(draft: Draft, use: Use) -> tuple[str, str] | None:
    if len(use.attributes) < 2:
        return None
    attribute = use.attributes[1]
    if attribute in ORGANIZATION_NAMES:
        ours = ORGANIZATION_NAMES[attribute]
        renamed = _rename(draft, use, 2, f"organization.{ours}")
        return None if renamed else (f"organization.{attribute}", f"it is context.organization.{ours}")
    key = f"organization.{attribute}"
    return (key, sentence(CONTEXT[key], draft.here)) if key in CONTEXT else None


def _rename(draft: Draft, use: Use, count: int, ours: str) -> bool:
    """Writes another name for the first `count` attributes; whether that could be done."""
    place = draft.range_of(use, count)
    is_read = use.is_read or count < len(use.attributes)
    member = ours.partition(".")[0]
    if place is None or not is_read or not draft.here.has(f"context.{member}"):
        return False
    draft.edit([Edit(*place, f"{use.name}.{ours}")])
    return True


def _rename_arguments(draft: Draft, use: Use, count: int) -> None:
    call = draft.names.parents.get(draft.chain(use, count))
    if isinstance(call, ast.Call):
        for keyword in call.keywords:
            if keyword.arg in _PARAMETERS_WITH_OTHER_NAMES:
                start, _ = draft.source.span(keyword)
                ours = _PARAMETERS_WITH_OTHER_NAMES[keyword.arg]
                draft.edit([Edit(start, start + len(keyword.arg), ours)])


def _call_of(draft: Draft, use: Use) -> ast.Call | None:
    """The call of the first attribute: `context.info(…)`."""
    function = draft.chain(use, 1)
    call = draft.names.parents.get(function)
    return call if isinstance(call, ast.Call) and call.func is function else None


def _rewrite_log(draft: Draft, use: Use) -> bool:
    """`context.log("info", MESSAGE, {…})` becomes `context.info(MESSAGE, **{…})`; whether that could be done."""
    call = _call_of(draft, use)
    place = draft.range_of(use, 1)
    if call is None or place is None or any(isinstance(argument, ast.Starred) for argument in call.args):
        return False
    level = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    if len(call.args) == 1 and not call.keywords:
        draft.edit([Edit(*place, f"{use.name}.info")])
        return True
    if level not in LOG_LEVELS or not 2 <= len(call.args) <= 3:
        return False
    data = _data_edits(draft, call, 2)
    (start, level_end), (end, _) = draft.source.span(call.args[0]), draft.source.span(call.args[1])
    before, between = draft.source.text[place[1] : start], draft.source.text[level_end:end]
    # Parentheses around the level, or a comment behind it, would be lost.
    if data is None or before.strip() != "(" or between.strip() != ",":
        return False
    draft.edit([Edit(*place, f"{use.name}.{level}"), Edit(start, end, ""), *data], call)
    return True


def _look_at_data(draft: Draft, use: Use) -> tuple[str, str] | None:
    """Data are given by name here: `context.info(MESSAGE, **DATA)`."""
    call = _call_of(draft, use)
    if call is None or len(call.args) < 2 or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    edits = _data_edits(draft, call, 1)
    if edits is None or len(call.args) > 2:
        member = use.attributes[0]
        draft.todo(call, f"data are given by name here: context.{member}(MESSAGE, **DATA)")
    else:
        draft.edit(edits, call)
    return None


def _data_edits(draft: Draft, call: ast.Call, position: int) -> list[Edit] | None:
    """Puts `**` before the data of a log call; None when it can't be seen that this is the same."""
    data: list[Edit] = []
    if len(call.args) > position:
        if not _is_plain(call.args[position]) or call.keywords:
            return None
        start, _ = draft.source.span(call.args[position])
        _, end = draft.source.span(call.args[position - 1])
        if not re.sub(r"#[^\r\n]*", "", draft.source.text[end:start]).rstrip().endswith(","):
            return None  # in parentheses of its own
        data.append(Edit(start, start, "**"))
    for keyword in call.keywords:
        if keyword.arg != "data" or not _is_plain(keyword.value) or len(call.keywords) > 1:
            return None
        start, end = draft.source.span(keyword)[0], draft.source.span(keyword.value)[0]
        if not re.fullmatch(r"data\s*=\s*", draft.source.text[start:end]):
            return None
        data.append(Edit(start, end, "**"))
    return data


def _is_plain(node: ast.expr) -> bool:
    """Whether an expression is a dict whose keys can be names of arguments."""
    return isinstance(node, ast.Dict) and all(
        isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value not in ("message", "self")
        for key in node.keys
    )
