"""Whatever strangers send, it is read or refused: nothing crashes, nothing answers 500."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.access.app_service import read_client_principal
from shared.errors import BadRequestError, PlatformError
from shared.executions.queueing import NotOursError, read_message
from shared.handlers.services import close_services
from shared.repositories.executions.keys import ALL, key_of_token, list_key, token_of
from shared.repositories.ids import new_execution_id
from shared.repositories.workflow_keys import is_raw_key, new_raw_key
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.support.calls import app_routes, call

App = Callable[[], Storage]

AMOUNTS = pytest.mark.parametrize(
    "examples", [300, pytest.param(20_000, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]
)


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def mutated(text: str) -> st.SearchStrategy[str]:
    """The text with a piece of it replaced."""
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)), st.text(max_size=5))
    return places.map(lambda cut: text[: min(cut[:2])] + cut[2] + text[max(cut[:2]) :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["typ", "val", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)
CLAIM = st.fixed_dictionaries({"typ": st.sampled_from(["oid", "tid", "sub", "roles", "name"]), "val": st.text()})
PRINCIPAL = st.fixed_dictionaries({"auth_typ": st.text(max_size=10), "claims": st.lists(CLAIM, max_size=4)})
STATIC_WEB_APPS = ["identityProvider", "userId", "userDetails", "userRoles"]
LOOSE_PRINCIPAL = st.dictionaries(
    st.sampled_from(["auth_typ", "claims", "name_typ", "role_typ", *STATIC_WEB_APPS]), JSON
) | st.fixed_dictionaries(
    {"identityProvider": st.text(), "userId": st.text(), "userRoles": st.lists(st.text(max_size=9), max_size=3)},
    optional={"userDetails": JSON, "claims": st.lists(CLAIM, max_size=4)},
)
MESSAGE_FIELDS = st.sampled_from(["execution_id", "workflow_name", "org_id", "parameters", "attempt", "x"])
ROUTE_VALUE = st.text(min_size=1) | st.sampled_from(["..", "%2e%2e", "\x00", "a" * 5000, "\ud800", "GLOBAL", "key:1"])


@AMOUNTS
def test_the_principal_header(examples: int):
    @settings(max_examples=examples)
    @given(st.text() | PRINCIPAL.map(encoded) | LOOSE_PRINCIPAL.map(encoded) | st.binary().map(base64_text))
    def check(header: str) -> None:
        try:
            user = read_client_principal(header)
        except PlatformError as error:
            status = error.status
        else:
            status = 200 if user.user_id else 500
        assert status in (200, 400, 401)

    check()


def base64_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@AMOUNTS
def test_access_keys(examples: int):
    real = new_raw_key()

    @settings(max_examples=examples)
    @given(st.text() | mutated(real))
    def check(text: str) -> None:
        if is_raw_key(text):
            assert len(text) == len(real)
            assert text.isascii()

    check()


@AMOUNTS
def test_continuation_tokens(examples: int):
    real = token_of(list_key(ALL, new_execution_id(datetime.now(UTC))))

    @settings(max_examples=examples)
    @given(st.text() | mutated(real) | st.binary().map(base64_text))
    def check(token: str) -> None:
        try:
            key = key_of_token(token, ALL)
        except BadRequestError:
            return
        assert key.startswith(ALL)

    check()


@AMOUNTS
def test_queue_messages(examples: int):
    @settings(max_examples=examples)
    @given(st.text() | st.binary().map(bytes_text) | st.dictionaries(MESSAGE_FIELDS, JSON).map(json.dumps))
    def check(text: str) -> None:
        try:
            message = read_message(text)
        except NotOursError as error:
            assert str(error).isprintable()  # noqa: PT017 - most texts are none, and some may be
        else:
            assert message.execution_id

    check()


def bytes_text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


@AMOUNTS
def test_route_values_and_headers(examples: int, app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    names = sorted(name for name, route in app_routes().items() if "{" in route.path)
    headers = st.dictionaries(
        st.sampled_from(
            ["x-dev-principal", "x-functions-key", "authorization", "x-organization-id", "idempotency-key",
             "x-result-token", "content-type", "host", "origin", "x-ms-client-principal"]
        ),
        st.text() | st.text().map("Bearer wk_{}".format),
        max_size=2,
    )  # fmt: skip
    values = st.fixed_dictionaries(
        dict.fromkeys({name for route in app_routes().values() for name in route.parameters}, ROUTE_VALUE)
    )

    with asyncio.Runner() as runner:

        @settings(max_examples=examples)
        @given(st.sampled_from(names), values, headers, st.binary(max_size=50) | JSON.map(json_bytes))
        def check(name: str, path: dict[str, str], sent: dict[str, str], raw: bytes) -> None:
            answer = runner.run(call(name, path, headers=sent, raw=raw))
            assert answer.status < 500, (name, answer.body)

        try:
            check()
        finally:
            runner.run(close_services())


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
