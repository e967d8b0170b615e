"""Deliveries as their senders document them: each is answered as its sender wishes, and refused when it is forged.

The requests are those of the senders' documentation, signed by its rules with secrets of the test.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from shared.handlers.configuration_handlers import set_config
from shared.models.configuration import ConfigWrite
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call

App = Callable[[], Storage]

SECRET = "a secret that both sides know"
ORIGIN = "https://127.0.0.1/api/endpoints/"
FLOWS = """
import hmac

from shared.context import EndpointResponse, ExecutionContext
from shared.decorators import workflow
from shared.errors import UserError

OPEN = {"execution_mode": "sync", "endpoint_enabled": True, "public_endpoint": True}
TOKEN = 'token:{"query": "token", "secret": "HOOKS"}'


@workflow(name="github", verify="github:HOOKS", dedupe_header="X-GitHub-Delivery", **OPEN)
def github(context: ExecutionContext, body: dict):
    return EndpointResponse(None, 204) if context.request.headers["x-github-event"] == "ping" else body["ref"]


@workflow(name="stripe", verify="stripe:HOOKS", **OPEN)
def stripe(id: str, type: str, data: dict):
    return {"received": id, "type": type, "object": data["object"]["id"]}


@workflow(name="slack", verify="slack:HOOKS", **OPEN)
def slack(type: str = "", challenge: str = "", command: str = "", text: str = ""):
    if type == "url_verification":
        return EndpointResponse(challenge)
    return EndpointResponse({"response_type": "ephemeral", "text": f"{command} {text}"})


@workflow(name="shopify", verify="shopify:HOOKS", dedupe_header="X-Shopify-Webhook-Id", endpoint_enabled=True,
          public_endpoint=True)
def shopify(id: int, total_price: str):
    return [id, total_price]


@workflow(name="twilio", verify="twilio:HOOKS", **OPEN)
def twilio(From: str, Body: str):
    answer = f"<Response><Message>{Body} from {From}</Message></Response>"
    return EndpointResponse(answer, headers={"Content-Type": "text/xml"})


@workflow(name="graph", **OPEN)
async def graph(context: ExecutionContext, validationToken: str = "", value: list[dict] = ()):
    if validationToken:
        return EndpointResponse(validationToken)
    expected = await context.get_secret("HOOKS")
    if not value or not all(hmac.compare_digest(one.get("clientState", ""), expected) for one in value):
        raise UserError("clientState is wrong", status_code=401)
    return EndpointResponse(None, 202)


@workflow(name="event_grid", verify=TOKEN, allowed_methods=["OPTIONS", "POST"], **OPEN)
def event_grid(context: ExecutionContext, body: list[dict] | dict | None = None):
    headers = context.request.headers
    if context.request.method == "OPTIONS":
        allowed = {"WebHook-Allowed-Origin": headers["webhook-request-origin"], "WebHook-Allowed-Rate": "*"}
        return EndpointResponse(None, 200, allowed)
    if headers.get("aeg-event-type") == "SubscriptionValidation":
        return EndpointResponse({"validationResponse": body[0]["data"]["validationCode"]})
    return [event["type" if "type" in event else "eventType"] for event in (body if isinstance(body, list) else [body])]


@workflow(name="sns", verify=TOKEN, dedupe_header="X-Amz-Sns-Message-Id", **OPEN)
def sns(Type: str, TopicArn: str, Message: str, SubscribeURL: str = ""):
    return {"visit": SubscribeURL} if Type == "SubscriptionConfirmation" else {"message": Message}


@workflow(name="jotform", verify=TOKEN, **OPEN)
def jotform(formID: str, submissionID: str, rawRequest: str):
    return [formID, submissionID, rawRequest]


@workflow(name="trello", verify="trello:HOOKS", allowed_methods=["HEAD", "POST"], **OPEN)
def trello(action: dict, model: dict):
    return action["type"]
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request of a sender, and what it wants to be answered: status, and body or the run's result."""

    workflow: str
    status: int
    answer: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    method: str = "post"
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    answer_headers: Mapping[str, str] = field(default_factory=dict[str, str])

    async def send(self) -> Called:
        route = f"endpoints_{self.method}"
        headers = {"x-dev-principal": "anonymous", **self.headers}
        return await call(route, {"workflowName": self.workflow}, headers=headers, query=self.query, raw=self.body)


def mac(content: bytes, algorithm: str = "sha256", secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), content, algorithm).digest()


def in_base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def github(event: str, body: bytes, delivery: str) -> dict[str, str]:
    signature = f"sha256={mac(body).hex()}"
    return {**JSON, "user-agent": "GitHub-Hookshot/044aadd", "x-github-event": event, "x-github-delivery": delivery,
            "x-hub-signature-256": signature}  # fmt: skip


def slack(body: bytes, kind: Mapping[str, str]) -> dict[str, str]:
    now = str(int(time.time()))
    signature = f"v0={mac(f'v0:{now}:'.encode() + body).hex()}"
    return {**kind, "x-slack-request-timestamp": now, "x-slack-signature": signature}


def deliveries() -> list[Delivery]:
    push, ping = b'{"ref": "refs/heads/main", "commits": []}', b'{"zen": "Speak like a human.", "hook_id": 1}'
    event = b'{"id": "evt_1", "object": "event", "type": "charge.failed", "data": {"object": {"id": "ch_1"}}}'
    now = int(time.time())
    stripe = {**JSON, "stripe-signature": f"t={now},v1={mac(f'{now}.'.encode() + event).hex()},v0=6ffbb59b"}
    challenge = b'{"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": "3eZbrw1aB", "type": "url_verification"}'
    command = b"token=gIkuvaNzQIHg97ATvDxqgjtO&team_id=T0001&command=%2Fweather&text=94070&user_name=Steve"
    order = b'{"id": 820982911946154508, "email": "jon@example.com", "total_price": "403.00"}'
    sms = {"ToCountry": "US", "MessageSid": "SM1", "From": "+14158675310", "Body": "Ahoy", "NumMedia": "0"}
    signed = ORIGIN + "twilio" + "".join(f"{name}{sms[name]}" for name in sorted(sms))
    notification = {"subscriptionId": "7f105c7d", "clientState": SECRET, "changeType": "created", "resource": "x"}
    validation = [
        {"id": "2d1781af", "topic": "/subscriptions/x", "subject": "", "eventTime": "2026-01-25T22:12:19Z",
         "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "metadataVersion": "1", "dataVersion": "1",
         "data": {"validationCode": "512d38b6", "validationUrl": "https://rp-eastus2.eventgrid.azure.net/x"}}
    ]  # fmt: skip
    created = [{**validation[0], "eventType": "Microsoft.Storage.BlobCreated", "data": {}}]
    cloud = {"specversion": "1.0", "type": "com.example.made", "source": "/x", "id": "1", "data": {}}
    origin = {"webhook-request-origin": "eventgrid.azure.net", "webhook-request-callback": "https://x"}
    arn = "arn:aws:sns:us-west-2:123456789012:MyTopic"
    address = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"
    confirmation = {"Type": "SubscriptionConfirmation", "MessageId": "165545c9", "Token": "2336412f37",
                    "TopicArn": arn, "Message": "You have chosen to subscribe", "SubscribeURL": address,
                    "Timestamp": "2012-04-26T20:45:04.751Z", "SignatureVersion": "1"}  # fmt: skip
    notified = {"Type": "Notification", "MessageId": "22b80b92", "TopicArn": arn, "Subject": "My First Message",
                "Message": "Hello world!", "Timestamp": "2012-05-02T00:54:06.655Z"}  # fmt: skip
    card = b'{"model": {"id": "4d5ea62f"}, "action": {"id": "51f9424b", "type": "voteOnCard", "data": {}}}'
    token = {"token": SECRET}
    return [
        Delivery("github", 204, None, github("ping", ping, "0"), ping),
        Delivery("github", 200, "refs/heads/main", github("push", push, "72d3162e-cc78-11e3-81ab-4c9367dc0958"), push),
        Delivery("stripe", 200, {"received": "evt_1", "type": "charge.failed", "object": "ch_1"}, stripe, event),
        Delivery("slack", 200, "3eZbrw1aB", slack(challenge, JSON), challenge),
        Delivery("slack", 200, {"response_type": "ephemeral", "text": "/weather 94070"}, slack(command, FORM), command),
        Delivery("shopify", 202, None, {**JSON, "x-shopify-topic": "orders/create", "x-shopify-webhook-id": "b54557e4",
                                        "x-shopify-hmac-sha256": in_base64(mac(order))}, order),
        Delivery("twilio", 200, "<Response><Message>Ahoy from +14158675310</Message></Response>",
                 {**FORM, "x-twilio-signature": in_base64(mac(signed.encode(), "sha1")),
                  "i-twilio-idempotency-token": "7f4c"}, urlencode(sms).encode(),
                 answer_headers={"Content-Type": "text/xml"}),
        Delivery("graph", 200, "Validation: Testing client application", {"content-type": "text/plain; charset=utf-8"},
                 query={"validationToken": "Validation: Testing client application"},
                 answer_headers={"Content-Type": "text/plain; charset=utf-8"}),
        Delivery("graph", 202, None, JSON, json.dumps({"value": [notification]}).encode()),
        Delivery("event_grid", 200, {"validationResponse": "512d38b6"},
                 {**JSON, "aeg-event-type": "SubscriptionValidation"}, json.dumps(validation).encode(), query=token),
        Delivery("event_grid", 200, ["Microsoft.Storage.BlobCreated"], {**JSON, "aeg-event-type": "Notification"},
                 json.dumps(created).encode(), query=token),
        Delivery("event_grid", 200, None, origin, method="options", query=token,
                 answer_headers={"Webhook-Allowed-Origin": "eventgrid.azure.net", "Webhook-Allowed-Rate": "*"}),
        Delivery("event_grid", 200, ["com.example.made"], {"content-type": "application/cloudevents+json"},
                 json.dumps(cloud).encode(), query=token),
        Delivery("sns", 200, {"visit": address}, sns("SubscriptionConfirmation", "165545c9", arn),
                 json.dumps(confirmation, indent=2).encode(), query=token),
        Delivery("sns", 200, {"message": "Hello world!"}, sns("Notification", "22b80b92", arn),
                 json.dumps(notified, indent=2).encode(), query=token),
        Delivery("jotform", 200, ["31501", "237955", '{"q3_name":"Jürgen"}'],
                 {"content-type": "multipart/form-data; boundary=----------------------------4ebf00fbcf09"},
                 jotform(formID="31501", submissionID="237955", webhookURL="https://x", ip="203.0.113.7",
                         formTitle="Contact", pretty="Name:Jürgen", rawRequest='{"q3_name":"Jürgen"}'), query=token),
        Delivery("trello", 200, None, {"user-agent": "Faraday v1"}, method="head"),
        Delivery("trello", 200, "voteOnCard",
                 {**JSON, "x-trello-webhook": in_base64(mac(card + f"{ORIGIN}trello".encode(), "sha1"))}, card),
    ]  # fmt: skip


def sns(kind: str, message: str, arn: str) -> dict[str, str]:
    return {"content-type": "text/plain; charset=UTF-8", "user-agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": kind, "x-amz-sns-message-id": message, "x-amz-sns-topic-arn": arn}  # fmt: skip


def jotform(**fields: str) -> bytes:
    boundary = "------------------------------4ebf00fbcf09"
    parts = [
        f'{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return ("".join(parts) + f"{boundary}--\r\n").encode()


def forged(sent: Delivery) -> list[Delivery]:
    """The same request by somebody who does not know the secret, and with its content changed."""
    if sent.query.get("token"):
        return [replace(sent, query={"token": "guess"}), replace(sent, query={})]
    if sent.workflow == "graph":
        return [replace(sent, body=sent.body.replace(SECRET.encode(), b"guess"))]
    header = next(name for name in sent.headers if "signature" in name or "hmac" in name or "trello" in name)
    digest = hashlib.sha256(b"guess").hexdigest()
    unsigned = {name: value for name, value in sent.headers.items() if name != header}
    return [
        replace(sent, body=sent.body[:-1] + b" " + sent.body[-1:]),
        replace(sent, headers={**sent.headers, header: digest}),
        replace(sent, headers=unsigned),
    ]


@pytest_asyncio.fixture
async def hooks(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    (tmp_path / "flows" / "deliveries_of_the_test.py").write_text(FLOWS)
    monkeypatch.setenv("AUTH_MODE", "development")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("PUBLIC_RATE_PER_MINUTE", "1000")
    get_settings.cache_clear()
    await set_config(ConfigWrite(key="HOOKS", value="env:HOOK_SECRET", type="secret_ref"), ADMIN)
    yield
    sys.modules.pop("deliveries_of_the_test", None)


async def test_each_delivery_is_answered_as_its_sender_wishes(hooks: None):
    for sent in deliveries():
        answer = await sent.send()
        is_result = isinstance(answer.body, dict) and "executionId" in answer.body
        told = answer.body.get("result") if is_result else answer.body
        assert (sent.workflow, answer.status, told) == (sent.workflow, sent.status, sent.answer)
        assert sent.answer_headers.items() <= dict(answer.headers).items(), sent.workflow


async def test_each_forged_delivery_is_refused_and_runs_nothing(hooks: None):
    handshakes = [sent for sent in deliveries() if sent.method == "head" or "validationToken" in sent.query]
    for sent in (sent for sent in deliveries() if sent not in handshakes):
        for other in forged(sent):
            answer = await other.send()
            assert (sent.workflow, answer.status) == (sent.workflow, 401)
    # Graph signs nothing: the workflow itself compares what it was told.
    recorded = (await call("executions_list")).body["executions"]
    assert {found["workflowName"] for found in recorded} == {"graph"}
