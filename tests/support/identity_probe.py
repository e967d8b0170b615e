"""Run as a process of its own: uses the app's storage and key vault in every way, and prints what came of it."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shared.access.principal import Principal
from shared.context import Caller
from shared.handlers.configuration_handlers import set_config
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import close_services, get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.configuration import ConfigWrite
from shared.models.executions import ExecuteRequest
from shared.settings.environment import get_settings

ADMIN = Principal(Caller("admin-1", name="Admin"), is_platform_admin=True)


async def main() -> dict[str, Any]:
    get_settings().require_storage()
    found: dict[str, Any] = {
        "before": sorted(name for name in ("azure.identity", "azure.keyvault") if name in sys.modules)
    }
    for key, reference in (
        ("api", "partner-key"),
        ("old", f"partner-key/{'0' * 32}"),
        ("no", "forbidden"),
        ("gone", "gone"),
    ):
        await set_config(ConfigWrite(key=key, value=reference, type="secret_ref"), ADMIN)
    for key in ("api", "old", "no", "gone"):
        answer = (
            await execute_workflow_handler(ExecuteRequest(workflow_name="reads", input_data={"key": key}), ADMIN)
        ).answer
        found[key] = answer.model_dump(mode="json", include={"status", "result", "error", "logs"})
    large = random.Random(1).randbytes(200_000).hex()
    later = (
        await execute_workflow_handler(ExecuteRequest(workflow_name="later", input_data={"text": large}), ADMIN)
    ).answer
    await get_services().executor.run_queued(json.dumps({"execution_id": later.execution_id, "attempt": 1}))
    found["later"] = (await get_execution(later.execution_id, ADMIN)).result
    found["queue"] = await get_services().storage.queue("workflow-executions").length()
    url = await get_services().storage.blobs("uploads").upload_url("a/b.txt", datetime.now(UTC) + timedelta(minutes=5))
    found["upload"] = dict(parse_qsl(urlsplit(url.url).query))
    await get_services().configuration.close()
    await close_services()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
