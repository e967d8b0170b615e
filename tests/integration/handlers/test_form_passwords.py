"""What stands in a form's field for a password reaches the workflow, and nobody else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.handlers.executions_handlers import get_execution, rerun_execution
from shared.handlers.forms_handlers import create_form, execute_form_handler
from shared.handlers.services import get_services
from shared.logs.masking import MASK
from shared.models.forms import FormDataRequest, FormRequest
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN, USER

App = Callable[[], Storage]

FLOWS = """
import hashlib

from shared.decorators import workflow


def sign(context, user: str, password: str, fail: bool = False):
    print("logging in with", password)
    context.info("trying", token=password)
    context.save_checkpoint("asked", password)
    if fail:
        raise ValueError(f"{password} was refused")
    return {"user": user, "echo": password, "digest": hashlib.sha256(password.encode()).hexdigest()[:8]}


workflow(name="sign_now", execution_mode="sync")(sign)


@workflow(name="sign_later")
def sign_later(context, user: str, password: str, fail: bool = False):
    return sign(context, user, password, fail)
"""
DIGEST = "f52fbd32"


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "flows" / "passwords_of_the_test.py").write_text(FLOWS)
    yield
    sys.modules.pop("passwords_of_the_test", None)


async def submitted(workflow: str, password: str = "hunter2", **values: Any) -> str:
    fields = [
        {"name": "user", "type": "text"},
        {"name": "password", "type": "password", "required": True},
        {"name": "fail", "type": "checkbox"},
    ]
    body = {"name": workflow, "linkedWorkflow": workflow, "isPublic": True, "formSchema": {"fields": fields}}
    form = (await create_form(FormRequest.model_validate(body), ADMIN)).form
    data = FormDataRequest(form_data={"user": "Ada", "password": password, "fail": False, **values})
    return (await execute_form_handler(form.id, data, USER)).answer.execution_id


async def shown(execution_id: str) -> dict[str, Any]:
    return (await get_execution(execution_id, ADMIN)).model_dump(mode="json")


async def test_a_password_is_masked_in_whatever_a_run_leaves_behind():
    found = await shown(await submitted("sign_now"))
    assert (found["result"]["digest"], found["result"]["echo"]) == (DIGEST, MASK)
    assert found["inputData"] == {"user": "Ada", "password": MASK, "fail": False}
    assert "hunter2" not in json.dumps(found)


async def test_a_password_is_masked_in_a_failure():
    found = await shown(await submitted("sign_now", fail=True))
    assert found["status"] == "Failed"
    assert found["error"] == f"{MASK} was refused"
    assert "hunter2" not in json.dumps(found)


async def test_a_short_password_is_masked_in_the_input():
    found = await shown(await submitted("sign_now", password="abc"))
    assert found["inputData"]["password"] == MASK


async def test_a_run_from_the_queue_has_the_password_and_so_has_one_that_is_run_again():
    execution_id = await submitted("sign_later")
    assert (await shown(execution_id))["inputData"]["password"] == MASK
    again = (await rerun_execution((await finished(execution_id))["executionId"], ADMIN)).answer.execution_id
    await finished(again)


async def finished(execution_id: str) -> dict[str, Any]:
    """Runs an execution as its message in the queue does."""
    await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": 1}))
    found = await shown(execution_id)
    assert (found["status"], found["result"]["digest"]) == ("Success", DIGEST)
    assert "hunter2" not in json.dumps(found)
    return found
