"""What verify= declares, against the examples that senders publish."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest

from shared.errors import DefinitionError
from shared.webhooks.signatures import SignatureRefusedError, check_deliveries, read_verification

SECRET = "a secret of the test"
# https://api.slack.com/authentication/verifying-requests-from-slack
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a1"
    b"4d10d2c447fce8b6703c"
)
SLACK = {
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    "x-slack-request-timestamp": "1531420618",
}
# https://www.twilio.com/docs/usage/security#validating-requests, as it was published for many years
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_BODY = b"To=%2B18005551212&CallSid=CA1234567890ABCDE&Digits=1234&From=%2B12349013030&Caller=%2B12349013030"
TWILIO = {
    "x-twilio-signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
    "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
}


def sign(content: bytes, algorithm: str = "sha256", secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), content, algorithm).digest()


def passes(
    declared: str,
    headers: Mapping[str, str],
    body: bytes,
    url: str = "https://app/api/endpoints/e",
    secret: str = SECRET,
    now: float = 0,
) -> bool:
    try:
        read_verification(declared).check(secret, headers, body, url, now)
    except SignatureRefusedError:
        return False
    return True


def test_slacks_own_example_is_accepted_within_its_time_and_refused_changed():
    def accepted(body: bytes = SLACK_BODY, now: float = 1531420618 + 299, **headers: str) -> bool:
        changed = {**SLACK, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return passes("slack:S", changed, body, secret=SLACK_SECRET, now=now)

    assert accepted()
    assert not accepted(SLACK_BODY + b"&a=b")
    assert not accepted(now=1531420618 + 301)
    assert not accepted(x_slack_request_timestamp="1531420619")
    assert not accepted(x_slack_request_timestamp="soon")
    assert not accepted(x_slack_signature=SLACK["x-slack-signature"].removeprefix("v0="))


def test_twilios_own_example_is_accepted_also_where_tls_ended_in_front_of_the_app():
    assert passes("twilio:S", TWILIO, TWILIO_BODY, TWILIO_URL, "12345")
    assert passes("twilio:S", TWILIO, TWILIO_BODY, TWILIO_URL.replace("https", "http"), "12345")
    declared = 'twilio:{"secret": "S", "url": "https://mycompany.com/myapp.php"}'
    assert passes(declared, TWILIO, TWILIO_BODY, "http://inside/?foo=1&bar=2", "12345")
    assert not passes("twilio:S", TWILIO, TWILIO_BODY, TWILIO_URL + "&code=x", "12345")
    assert not passes("twilio:S", TWILIO, TWILIO_BODY + b"&More=1", TWILIO_URL, "12345")


@pytest.mark.parametrize("text", ["é", "日本", "🙂", "%FF"])
def test_a_signed_form_may_have_any_text(text: str):
    sent = text if text.startswith("%") else quote(text)
    content = TWILIO_URL.encode() + b"Body" + unquote_to_bytes(sent) + b"To+1"
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": base64.b64encode(sign(content, "sha1")).decode(),
    }
    assert passes("twilio:S", headers, f"To=%2B1&Body={sent}".encode(), TWILIO_URL)
    assert not passes("twilio:S", headers, f"To=%2B1&Body={sent}x".encode(), TWILIO_URL)


def test_a_json_body_of_twilios_counts_by_its_sha256_in_the_address():
    body = b'{"a": 1}'
    url = f"https://app/api/endpoints/e?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {
        "x-twilio-signature": base64.b64encode(sign(url.encode(), "sha1")).decode(),
        "content-type": "application/json",
    }
    assert passes("twilio:S", headers, body, url)
    assert not passes("twilio:S", headers, b'{"a": 2}', url)
    bare = {**headers, "x-twilio-signature": base64.b64encode(sign(b"https://app/e", "sha1")).decode()}
    assert not passes("twilio:S", bare, body, "https://app/e")


def test_trello_signs_body_and_address_and_shopify_the_body_in_base64():
    url, body = "https://app/api/endpoints/e", b'{"action": {}}'
    trello = {"x-trello-webhook": base64.b64encode(sign(body + url.encode(), "sha1")).decode()}
    assert passes("trello:S", trello, body, url)
    assert passes("trello:S", trello, body, url.replace("https", "http"))
    assert not passes("trello:S", trello, body, url + "/other")
    shopify = {"x-shopify-hmac-sha256": base64.b64encode(sign(body)).decode()}
    assert passes("shopify:S", shopify, body)
    assert not passes("shopify:S", shopify, body + b" ")


@pytest.mark.parametrize(
    ("options", "headers", "body"),
    [
        ({"algorithm": "sha512"}, {"x-sig": sign(b"b", "sha512").hex()}, b"b"),
        ({"encoding": "base64", "prefix": "v1,"}, {"x-sig": "v1," + base64.b64encode(sign(b"b")).decode()}, b"b"),
        (
            {"signed": "{timestamp}.{body}", "timestamp": "X-Time", "tolerance": 60},
            {"x-sig": sign(b"1700000000000.b").hex(), "x-time": "1700000000000"},
            b"b",
        ),
        ({"header": "x-SIG"}, {"x-sig": sign(b"").hex()}, b""),
    ],
)
def test_hmac_covers_other_senders(options: dict[str, Any], headers: dict[str, str], body: bytes):
    declared = "hmac:" + json.dumps({"secret": "S", "header": "X-Sig", **options})
    assert passes(declared, headers, body, now=1_700_000_030)
    assert not passes(declared, headers, body + b"!", now=1_700_000_030)
    assert not passes(declared, {**headers, "x-sig": headers["x-sig"][:-1]}, body, now=1_700_000_030)
    assert not passes(declared, {}, body, now=1_700_000_030)


def test_a_token_stands_in_a_header_or_in_the_query():
    gitlab = 'token:{"header": "X-Gitlab-Token", "secret": "S"}'
    assert passes(gitlab, {"x-gitlab-token": SECRET}, b"")
    assert not passes(gitlab, {"x-gitlab-token": SECRET + "x"}, b"")
    assert not passes(gitlab, {}, b"")
    query = 'token:{"query": "key", "secret": "S"}'
    assert passes(query, {}, b"", "https://app/e?a=1&key=a%20secret+of%20the+test")
    assert not passes(query, {}, b"", "https://app/e?key=guess")
    assert not passes(query, {}, b"", "https://app/e?key=guess&key=a%20secret+of%20the+test")
    assert not passes(query, {}, b"", "https://app/e")


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("githup:S", "did you mean 'github'"),
        ("github", "needs the name of the configuration value"),
        ("github:", "needs the name of the configuration value"),
        ("github:not a name", "needs the name of the configuration value"),
        ("hmac:S", "needs header"),
        ("hmac:{", "is no JSON"),
        ('hmac:{"secret": "S", "header": "X", "algoritm": "sha1"}', "did you mean 'algorithm'"),
        ('hmac:{"secret": "S", "header": "X", "algorithm": "md5"}', "algorithm must be one of sha1, sha256"),
        ('hmac:{"secret": "S", "header": "X", "encoding": "HEX"}', "encoding must be one of hex, base64"),
        ('hmac:{"secret": "S", "header": "a b"}', "header must be the name of a header"),
        ('hmac:{"secret": "S", "header": "X", "signed": "{timestamp}"}', "or anybody could change"),
        ('hmac:{"secret": "S", "header": "X", "signed": "{bdy}"}', "signed must be text with some of"),
        (
            'hmac:{"secret": "S", "header": "X", "signed": "{timestamp}{body}"}',
            "timestamp names a header, and signed has",
        ),
        ('hmac:{"secret": "S", "header": "X", "timestamp": "T"}', "timestamp names a header, and signed has"),
        ('hmac:{"secret": "S", "header": "X", "tolerance": 5}', "tolerance must be seconds"),
        ('slack:{"secret": "S", "tolerance": true}', "tolerance must be seconds"),
        ('hmac:{"secret": "S", "header": "X", "url": "https://a"}', "url must be an address"),
        ('twilio:{"secret": "S", "url": "https://a?b=c"}', "url must be an address without a query"),
        ('github:{"secret": "S", "methods": ["TRACE"]}', "methods must be a list of some of"),
        ('token:{"secret": "S"}', "needs either header or query"),
        ('token:{"secret": "S", "query": "code"}', "other than 'code'"),
    ],
)
def test_what_can_not_be_says_why(declared: str, says: str):
    with pytest.raises(DefinitionError) as caught:
        read_verification(declared)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("verify", "dedupe_header", "says"),
    [
        (7, None, "must be text such as"),
        (None, "X Y", "must be the name of a header"),
        (None, "X-Id", "dedupe_header needs verify on a public endpoint"),
    ],
)
def test_deliveries_are_checked_as_a_whole(verify: Any, dedupe_header: str | None, says: str):
    with pytest.raises(DefinitionError, match=says):
        check_deliveries(verify, dedupe_header, is_public=True)


def test_an_empty_secret_signs_nothing():
    with pytest.raises(ValueError, match="empty"):
        read_verification("github:S").check("", {}, b"")
