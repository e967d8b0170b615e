"""Endpoints of the running app, called as other systems call them."""

from __future__ import annotations

import pytest

from tests.support.hosted import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_another_system_calls_a_webhook_with_its_key_until_the_key_is_revoked(app: Client):
    created = await app.post("/workflow-keys", {"workflowId": "ticket_webhook", "description": "tickets"})
    assert created.status == 201
    bearer = {"Authorization": f"Bearer {created.body['rawKey']}"}
    answer = await app.post("/endpoints/ticket_webhook", {"event": "opened"}, headers=bearer, ticket=17, priority=1)
    assert (answer.status, answer.body["result"]) == (200, {"ticket": 17, "event": "opened", "urgent": True})
    execution = await app.get(f"/executions/{answer.body['executionId']}")
    assert execution.body["executedBy"] == f"key:{created.body['id']}"
    form = {**bearer, "Content-Type": "application/x-www-form-urlencoded"}
    posted = await app.call("POST", "/api/endpoints/ticket_webhook", raw=b"ticket=3&event=closed", headers=form)
    assert posted.body["result"] == {"ticket": 3, "event": "closed", "urgent": False}
    assert (await app.call("DELETE", "/api/endpoints/ticket_webhook", headers=bearer)).headers["Allow"] == "GET, POST"
    for method in ("HEAD", "PATCH", "OPTIONS"):
        refused = await app.call(method, "/api/endpoints/ticket_webhook", headers=bearer)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, POST")
        assert (refused.body is None) == (method == "HEAD")
    assert (await app.get("/workflows", headers=bearer)).status == 403
    assert (await app.call("DELETE", f"/api/workflow-keys/{created.body['id']}")).status == 204
    assert (await app.post("/endpoints/ticket_webhook", {}, headers=bearer)).status == 401


async def test_nobody_and_unknown_keys_get_nowhere(app: Client):
    path = "/endpoints/ticket_webhook"
    assert (await app.get(path, headers={"X-Dev-Principal": "anonymous"})).status == 401
    assert (await app.get(path, headers={"x-functions-key": "wk_" + "A" * 43})).status == 401
