"""The words of the former system, and what stands for them here.

Learnt from its public repository (jackmusick/bifrost-api up to 2025-11, jackmusick/bifrost and gobifrost/bifrost after
that): its package `bifrost`, the modules behind it, and the members of its context. Nothing of it is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dev.adoption.here import Found, Here

# Former name: module and name here.
PLACES = {
    "workflow": ("shared.decorators", "workflow"),
    "data_provider": ("shared.decorators", "data_provider"),
    "param": ("shared.decorators", "param"),
    "VALID_PARAM_TYPES": ("shared.decorators", "VALID_PARAM_TYPES"),
    "ExecutionContext": ("shared.context", "ExecutionContext"),
    "OrganizationContext": ("shared.context", "ExecutionContext"),
    "Organization": ("shared.context", "Organization"),
    "Caller": ("shared.context", "Caller"),
    "UserError": ("shared.errors", "UserError"),
    "ConfigurationError": ("shared.errors", "ConfigurationError"),
    "ExecutionStatus": ("shared.models", "ExecutionStatus"),
    "WorkflowParameter": ("shared.registry", "WorkflowParameter"),
    "FunctionMetadata": ("shared.registry", "FunctionMetadata"),
    "get_registry": ("shared.registry", "get_registry"),
}
# What the former package gave besides, and nothing here is called.
GONE = (
    *("agents", "ai", "api", "artifacts", "config", "context", "events", "executions", "files", "forms"),
    *("integrations", "knowledge", "oauth", "organizations", "roles", "secrets", "storage", "tables", "tool"),
    *("users", "workflows", "WorkflowError", "ValidationError", "IntegrationError", "OAuthCredentials"),
    *("ConfigType", "FormFieldType", "IntegrationType", "Role", "Form", "UserPublic", "FormPublic"),
    *("WorkflowMetadata", "WorkflowExecution", "IntegrationData", "IntegrationMappingResponse", "ConfigData"),
    *("AIResponse", "AIStreamChunk", "AIInputFile", "ArtifactRef", "KnowledgeDocument", "NamespaceInfo"),
    *("TableInfo", "DocumentData", "DocumentList", "BatchResult", "BatchDeleteResult"),
)
STAR = (*(name for name in PLACES if name not in ("VALID_PARAM_TYPES", "get_registry")), *GONE)

# Modules of the former package that only hold what the package gives.
_CONTAINERS = {"_context", "_execution_context", "_internal", "decorators", "enums", "errors", "models"}
# Its errors take other arguments than ours of the same name.
_OTHER_THAN_OURS = {"error_handling"}

# Members of the context that have another name here.
CONTEXT_NAMES = {
    ("executed_by",): "user_id",
    ("executed_by_email",): "email",
    ("executed_by_name",): "name",
    ("caller", "user_id"): "user_id",
    ("caller", "email"): "email",
    ("caller", "name"): "name",
    ("org", "org_id"): "organization.id",
    ("org",): "organization",
    ("_track_integration_call",): "track_integration_call",
}
# Members of the organization that have another name here.
ORGANIZATION_NAMES = {"org_id": "id"}
LOG_LEVELS = ("debug", "info", "warning", "error")

# Each: what must be here for it (None: nothing), and the sentence. The first that fits counts.
Advice = Sequence[tuple[str | None, str]]

_CONNECTIONS: Advice = [
    (
        None,
        "connections to other systems are not kept here: configure client id and secret, and fetch the token yourself",
    )
]
_OWN_ERROR: Advice = [
    (
        None,
        "raise shared.errors.UserError for what the caller shall read; any other exception, one of your own too, ends "
        "the run as Failed",
    )
]
_FOLDERS: Advice = [
    (
        "context.save_file",
        "runs have no folder in common: keep a file by `await context.save_file(NAME, DATA, TYPE)`, and "
        "work in tempfile.TemporaryDirectory()",
    ),
    (
        None,
        "runs have no folder in common: work in tempfile.TemporaryDirectory(), and return what shall last or put it "
        "into storage of your own",
    ),
]
_STORAGE: Advice = [
    (
        "context.save_file",
        "keep a file by `await context.save_file(NAME, DATA, TYPE)`; other storage needs its own client, "
        "such as azure-storage-blob, with a secret of the configuration",
    ),
    (None, "use the storage's own client, such as azure-storage-blob, with a secret of the configuration"),
]
_OWN_CLIENT: Advice = [(None, "call that service by its own client, with a secret of the configuration")]
_RIGHTS: Advice = [
    (
        "workflow.run_roles",
        "roles are those of App Service Authentication: run_roles of @workflow, and the roles of a form",
    ),
    (None, "roles are those of App Service Authentication, and a form's own `roles` say who may run it"),
]
_OTHER_STARTS: Advice = [(None, "nothing starts a run in that way here")]
_METADATA: Advice = [(None, "shared.registry.FunctionMetadata is what is known of any function here")]

# By the name in the former package, or by name and member.
NAMES: dict[str, Advice] = {
    "context": [
        (
            None,
            "the context is not imported here: give the function a first parameter `context: ExecutionContext`, "
            "and hand it on to helpers",
        )
    ],
    "config.get": [
        (None, "use context.get_config(KEY, DEFAULT), without await; a secret is `await context.get_secret(KEY)`")
    ],
    "config": [(None, "runs read the configuration (context.get_config) and don't change it: that is /api/config")],
    "secrets.get": [
        (None, "use `await context.get_secret(KEY)`, where KEY is a configuration value of type secret_ref")
    ],
    "secrets": [(None, "secrets are kept in the key vault, and a configuration value of type secret_ref names one")],
    "oauth": _CONNECTIONS,
    "integrations": _CONNECTIONS,
    "OAuthCredentials": _CONNECTIONS,
    "files": _FOLDERS,
    "storage": _STORAGE,
    "artifacts": _STORAGE,
    "workflows.execute": [
        ("context.run", "`await context.run(NAME, **PARAMETERS)` runs another workflow, and gives its result"),
        (None, "call the function itself, which stays callable, or POST /api/workflows/NAME/execute"),
    ],
    "workflows": [(None, "GET /api/workflows lists them")],
    "executions": [(None, "GET /api/executions lists them, GET /api/executions/ID gives one")],
    "forms": [(None, "GET /api/forms lists them")],
    "organizations": [(None, "context.organization is the run's own; all of them are at /api/organizations")],
    "roles": _RIGHTS,
    "users": _RIGHTS,
    "tables": [
        ("context.state", "context.state keeps small values between runs; more belongs into a database of your own"),
        (None, "keep it in a database or a storage table of your own, with a secret of the configuration"),
    ],
    "ai": _OWN_CLIENT,
    "agents": _OWN_CLIENT,
    "knowledge": _OWN_CLIENT,
    "api": [(None, "call the API over HTTP, with a key")],
    "events": _OTHER_STARTS,
    "tool": [
        ("workflow.mcp", "assistants see workflows that have mcp in @workflow"),
        (None, "write @workflow; nothing gives workflows to assistants here"),
    ],
    "WorkflowError": _OWN_ERROR,
    "WorkflowException": _OWN_ERROR,
    "ValidationError": _OWN_ERROR,
    "IntegrationError": _OWN_ERROR,
    "TimeoutError": [
        (None, "Python's own TimeoutError does; a run past its timeout_seconds ends as Timeout by itself")
    ],
    "PermissionError": [
        (None, "Python's own PermissionError does, or shared.errors.UserError for what the caller shall read")
    ],
    "ConfigurationError": _OWN_ERROR,
    "WorkflowMetadata": _METADATA,
    "DataProviderMetadata": _METADATA,
}
_INSIDE: Advice = [(None, "it belongs to the inside of the former system; what the API gives is in docs/calling.md")]
_MODEL: Advice = [(None, "it is a model of the former API; a dict or a dataclass of your own does")]
MODULE_UNUSED = "nothing of it is used in this file: delete the import"

CONTEXT: dict[str, Advice] = {
    "log": [(None, "use context.info(MESSAGE, **DATA), or debug, warning, error")],
    "get_oauth_connection": _CONNECTIONS,
    "get_integration": _CONNECTIONS,
    "set_variable": [
        (None, "a local variable does; context.save_checkpoint(NAME, DATA) keeps a value with the record")
    ],
    "get_variable": [
        (None, "a local variable does; context.save_checkpoint(NAME, DATA) keeps a value with the record")
    ],
    "finalize_execution": [(None, "the engine does that; leave the call out")],
    "config": [(None, "use context.get_config(KEY, DEFAULT)")],
    "caller": [(None, "use context.user_id, .email and .name")],
    "tenant_id": [(None, "keep it in the configuration: context.get_config(KEY)")],
    "public_url": [(None, "keep it in the configuration: context.get_config(KEY)")],
    "workflow_name": [(None, "a function knows its own name")],
    "parameters": [(None, "they are the function's own parameters; `**kwargs` takes all others")],
    "form_inputs": [(None, "they are the function's own parameters; `**kwargs` takes all others")],
    "startup": [(None, "what a launch workflow gives goes to the form, and comes back only in the form's fields")],
    "roi": [(None, "return the figures, or keep them by context.save_checkpoint(NAME, DATA)")],
    "set_scope": [(None, "a run stays in its organization")],
    "db": [(None, "there is no database behind the context")],
    "to_public_dict": [(None, "take the fields that you need")],
    "event": _OTHER_STARTS,
    "embed": _OTHER_STARTS,
    "is_agent": _OTHER_STARTS,
    "solution_id": [(None, "nothing here is installed in packages")],
    "artifact_workspace_id": _FOLDERS,
    "organization.is_provider": [(None, "no organization stands over others; ask context.is_platform_admin")],
    "organization.tenant_id": [(None, "keep it in the configuration: context.get_config(KEY)")],
}

# Arguments of the former decorators, through all its versions.
ARGUMENTS: dict[str, Advice] = {
    "workflow.max_duration_seconds": [(None, "write timeout_seconds")],
    "workflow.requires_org": [(None, "leave it out, and look at context.organization in the function")],
    "workflow.expose_in_forms": [(None, "leave it out: a form can be linked to any workflow")],
    "workflow.requires_approval": [
        ("context.wait_for_event", "leave it out, and ask in the function: context.wait_for_event"),
        (None, "leave it out: nobody is asked before a run"),
    ],
    "workflow.required_permission": _RIGHTS,
    "workflow.is_tool": NAMES["tool"],
    "data_provider.tags": [(None, "leave it out: only workflows have tags of their own")],
    "param.param_type": [(None, "write type")],
    "param.default": [(None, "write default_value")],
    "param.description": [(None, "write help_text, or label")],
}
# What the former system and others call the types of parameters, by what each is here.
_TYPES = {
    "string": "str text textarea select radio date datetime",
    "int": "integer",
    "float": "number",
    "bool": "boolean checkbox",
    "json": "dict object",
    "list": "array multi_select",
}
TYPES = {theirs: ours for ours, words in _TYPES.items() for theirs in words.split()}


def sentence(advice: Advice, here: Here) -> str:
    """What to do instead."""
    return next(text for needed, text in advice if here.has(needed))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name of the former system comes to here.

    Attributes:
        kind: `moved`: it is at `place`; `gone`: nothing is called so; `package`: only a member of it can tell.
        place: module and name here; the name is None for a module.
        rest: attributes that follow the name.
        key: the former name by which advice is found.
        was: the dotted name as the former system had it.
    """

    kind: str
    place: Found | None = None
    rest: tuple[str, ...] = ()
    key: str = ""
    was: str = ""

    def advice(self, here: Here) -> str:
        for key in (self.key, self.key.partition(".")[0]):
            if key in NAMES:
                return sentence(NAMES[key], here)
        inside = self.was.split(".")[0] != "bifrost" and not self.was.startswith(
            ("engine.shared.models.", "shared.models.")
        )
        return sentence(_INSIDE if inside else _MODEL, here)


def meaning_of(dotted: str, here: Here, is_own: Callable[[str], bool]) -> Meaning | None:
    """What a dotted name comes to; None when it is none of the former system's.

    Args:
        dotted: such as `bifrost.workflow` or `engine.shared.context.OrganizationContext`.
        here: what there is.
        is_own: whether a top-level module is the workspace's own.
    """
    parts = dotted.split(".")
    match parts:
        case ["bifrost", *rest]:
            return _of_the_package(rest)
        case ["sdk", name, *rest] if not is_own("sdk"):
            return _of_the_package([name, *rest])
        case ["shared", *rest]:
            return _of_a_module(parts, rest, here)
        case ["engine"] if not is_own("engine"):
            return Meaning("package", was=dotted)
        case ["engine", "shared", *rest] if not is_own("engine"):
            return _of_a_module(parts, rest, here)
        case ["engine", *rest] if not is_own("engine"):
            return Meaning("gone", key=rest[0], was=dotted)
        case ["src", "sdk", *rest] if not is_own("src"):
            return _of_a_module(parts, rest, here)
        case ["src", "models", "enums", *rest] if not is_own("src"):
            return _of_a_module(parts, ["models", *rest], here)
        case ["src", "models", *rest] if not is_own("src"):
            return _of_a_module(parts, ["models", *rest], here)
        case _:
            return None


def _of_the_package(rest: list[str]) -> Meaning:
    was = ".".join(("bifrost", *rest))
    if rest and rest[0] in _CONTAINERS:
        rest = rest[1:]
    if rest[:1] == rest[1:2]:  # from bifrost.config import config
        rest = rest[1:]
    if not rest:
        return Meaning("package", was=was)
    if rest[0] in PLACES:
        module, name = PLACES[rest[0]]
        return Meaning("moved", Found(module, name), tuple(rest[1:]), rest[0], was)
    if rest[0] in ("context", "tool") or rest[0][0].isupper():
        rest = rest[:1]  # whatever of it is used, the advice is one
    return Meaning("gone", key=".".join(rest[:2]), was=".".join(("bifrost", *rest[:2])))


def _of_a_module(parts: list[str], rest: list[str], here: Here) -> Meaning:
    was = ".".join(parts)
    found = here.find(["shared", *rest])
    if isinstance(found, Found):
        if found.name is None:
            return Meaning("package", found, was=was)
        return Meaning("moved", found, found.rest, found.name, was)
    # Up to the part that is missing; of a module that is missing, its member.
    missing = rest[found - 1 :]
    name = missing[0]
    if found == 1:
        if len(missing) == 1:
            return Meaning("package", was=was)
        name = missing[1]
    if name in PLACES and rest[0] not in _OTHER_THAN_OURS:
        module, ours = PLACES[name]
        return Meaning("moved", Found(module, ours), tuple(rest[rest.index(name) + 1 :]), name, was)
    # What a module of the inside is called says nothing: `shared.storage` is not the package's `storage`.
    return Meaning("gone", key=name if name[0].isupper() or name == "tool" else "", was=was)
