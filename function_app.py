"""Makes the FunctionApp and registers the blueprints; nothing else."""

from __future__ import annotations

import azure.functions as func

from functions.http import (
    audit,
    config,
    data_providers,
    discovery,
    docs,
    endpoints,
    executions,
    forms,
    health,
    openapi,
    organizations,
    unmatched,
    workflow_keys,
    workflows,
)
from functions.queue import poison, worker
from functions.timer import cleanup, recovery
from shared.settings.environment import get_settings
from shared.telemetry import start_telemetry

# An app whose settings are wrong must say so when it starts, not at its first request.
get_settings().require_storage()
start_telemetry(get_settings())

app = func.FunctionApp()
for module in (
    *(workflows, endpoints, executions, data_providers, discovery, forms, workflow_keys),
    *(organizations, config, audit, health, openapi, docs),
    *(worker, poison, recovery, cleanup, unmatched),
):
    app.register_functions(module.blueprint)
