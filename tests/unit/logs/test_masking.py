"""Secrets never come out of a run: not in its log, its result, its failure, nor encoded in other ways."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.context import EndpointResponse, ExecutionContext
from shared.engine import ExecutionResult
from shared.errors import UserError
from shared.logs.masking import MASK, SecretMask
from tests.unit.conftest import Execute

SECRET = "pa55/wörd+=&\"'"
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40)
AROUND = st.binary(max_size=20)


@given(SECRETS, AROUND, AROUND)
def test_no_base64_text_with_a_secret_in_it_gives_the_secret_away(secret: str, before: bytes, behind: bytes):
    content = before + secret.encode() + behind
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(content).decode()
        masked = SecretMask([secret]).text(encoded)
        assert MASK in masked
        # What is left on both sides, decoded, does not hold the secret.
        assert secret not in "".join(_decoded(part) for part in masked.split(MASK))


def _decoded(part: str) -> str:
    usable = part[: len(part) // 4 * 4].replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(usable).decode("utf-8", "replace")
    except ValueError:
        return ""


@given(SECRETS, st.text(max_size=10))
def test_no_encoding_in_use_gives_a_secret_away(secret: str, other: str):
    mask = SecretMask([secret])
    assert secret not in mask.text(f"{other}{secret}{other}")
    for encoded in (
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    ):
        if len(encoded) >= 6:
            assert encoded not in mask.text(f"x={encoded}&y"), encoded
    assert urlencode({"k": secret}).removeprefix("k=") not in mask.text(urlencode({"k": secret, "l": 1}))
    assert secret not in json.loads(json.dumps(mask.json({secret: [secret, {"a": f"<{secret}>"}]}))).values()


def test_values_shorter_than_six_characters_are_not_masked():
    mask = SecretMask(["short"])
    assert mask.empty
    assert mask.text("a short text") == "a short text"


def test_what_holds_no_secret_is_given_back_as_it_is():
    value = {"a": ["b", 1, None]}
    assert SecretMask(["s3cret-value"]).json(value) is value


def test_of_two_secrets_of_which_one_is_a_part_of_the_other_nothing_is_left():
    assert SecretMask(["secret", "secret-and-more"]).text("secret-and-more, secret") == f"{MASK}, {MASK}"


def test_a_secret_of_many_lines_is_masked_line_by_line():
    mask = SecretMask(["-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END KEY-----"])
    assert "MIIEvQ" not in mask.text("MIIEvQIBADANBgkqhkiG9w0")


@pytest.fixture
def process_log() -> Iterator[io.StringIO]:
    """What the process's own handler writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("of.the.test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def left_behind(result: ExecutionResult) -> str:
    """All that is kept or answered of a run, as text in which nothing is escaped."""
    whole = {name: getattr(result, name) for name in ExecutionResult.__dataclass_fields__ if name != "response"}
    response = result.response
    return (
        repr(whole)
        + json.dumps(whole, ensure_ascii=False, default=str)
        + repr(response and (response.body, response.headers))
    )


def assert_clean(text: str) -> None:
    for written in (SECRET, quote(SECRET, safe=""), repr(SECRET)[1:-1], json.dumps(SECRET)[1:-1]):
        assert written not in text
    for before in range(3):
        inner = base64.b64encode(b"x" * before + SECRET.encode() + b"yz").decode()[4:12]
        assert inner not in text


async def test_a_run_leaves_its_secret_nowhere(run_function: Execute, process_log: io.StringIO):
    def talks(context: ExecutionContext) -> Any:
        logger = logging.getLogger("of.the.test")
        print(SECRET, quote(SECRET), sep="\n")
        print("no end", SECRET, end="")
        logger.info("with %s", SECRET, extra={"given": SECRET})
        context.info(SECRET, header=f"Basic {base64.b64encode(f'user:{SECRET}'.encode()).decode()}")
        context.report_progress(0.5, SECRET)
        context.save_checkpoint(SECRET, {"token": [SECRET]})
        context.track_integration_call("other", "GET", f"https://x.example/?key={quote(SECRET)}", 200, 1.0, SECRET)
        try:
            raise ValueError(SECRET)
        except ValueError:
            logger.exception("failed")
        return {SECRET: [SECRET], "quoted": quote(SECRET, safe=""), "inside": f"<{SECRET}>"}

    result = await run_function(talks, mask=SecretMask([SECRET]))
    assert result.status == "Success"
    assert result.result["inside"] == f"<{MASK}>"
    assert_clean(left_behind(result))
    assert MASK in process_log.getvalue()
    assert_clean(process_log.getvalue())


async def test_a_failure_leaves_its_secret_nowhere(run_function: Execute):
    def fails() -> None:
        harmless_name = {"a": [SECRET], "long": "x" * 2040 + SECRET}
        raise UserError(f"{harmless_name['a'][0]} is wrong")

    result = await run_function(fails, mask=SecretMask([SECRET]))
    assert result.error_message == f"{MASK} is wrong"
    assert_clean(left_behind(result))


@pytest.mark.parametrize(
    "body", [SECRET, SECRET.encode(), {"a": SECRET}, [SECRET]], ids=["text", "bytes", "object", "list"]
)
async def test_an_endpoints_own_answer_holds_no_secret(run_function: Execute, body: Any):
    def answers() -> EndpointResponse:
        return EndpointResponse(body, 200, {"X-Token": SECRET})

    result = await run_function(answers, mask=SecretMask([SECRET]))
    assert result.response is not None
    assert (result.status, result.response.status_code) == ("Success", 200)
    assert_clean(left_behind(result))


async def test_a_scripts_variables_hold_no_secret(run_script: Execute):
    async def resolve(_: str) -> str:
        mask.add(SECRET)
        return SECRET

    mask = SecretMask()
    result = await run_script("token = await context.get_secret('k')\nprint(token)", resolve_secret=resolve, mask=mask)
    assert result.variables == {"token": MASK}
    assert_clean(left_behind(result))
