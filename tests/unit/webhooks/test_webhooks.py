"""Webhook signatures, against the vectors that the senders publish or that follow from their rules."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from shared.context import HttpRequestInfo
from shared.errors import UserError
from shared.webhooks import verify_github, verify_stripe

# https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB_SIGNATURE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
STRIPE_SECRET = "whsec_test"
STRIPE_BODY = b'{"id": "evt_1"}'
SIGNED_AT = 1_700_000_000


def github(signature: str, body: bytes = GITHUB_BODY) -> HttpRequestInfo:
    return HttpRequestInfo("POST", {"x-hub-signature-256": signature}, {}, body)


def stripe(header: str, body: bytes = STRIPE_BODY) -> HttpRequestInfo:
    return HttpRequestInfo("POST", {"stripe-signature": header}, {}, body)


def stripe_signature(at: int = SIGNED_AT) -> str:
    return hmac.new(STRIPE_SECRET.encode(), f"{at}.".encode() + STRIPE_BODY, hashlib.sha256).hexdigest()


def test_githubs_own_example_is_accepted():
    verify_github(GITHUB_SECRET, github(f"sha256={GITHUB_SIGNATURE}"))


@pytest.mark.parametrize(
    "request_info",
    [
        None,
        HttpRequestInfo("POST", {}, {}, GITHUB_BODY),
        github(GITHUB_SIGNATURE),
        github(f"sha1={GITHUB_SIGNATURE}"),
        github("sha256="),
        github("sha256=é"),
        github(f"sha256={GITHUB_SIGNATURE.upper()}"),
        github(f"sha256={GITHUB_SIGNATURE[:-1]}0"),
        github(f"sha256={GITHUB_SIGNATURE}", GITHUB_BODY + b" "),
    ],
)
def test_any_other_github_request_is_refused(request_info: HttpRequestInfo | None):
    with pytest.raises(UserError, match=r"signature is (wrong|missing)"):
        verify_github(GITHUB_SECRET, request_info)


def test_a_stripe_signature_is_accepted_within_its_time_and_beside_others():
    verify_stripe(STRIPE_SECRET, stripe(f"t={SIGNED_AT},v1={stripe_signature()}"), now=SIGNED_AT + 299)
    verify_stripe(STRIPE_SECRET, stripe(f"t={SIGNED_AT}, v1={'0' * 64}, v1={stripe_signature()}, v0=x"), now=SIGNED_AT)


@pytest.mark.parametrize("seconds", [301, -301])
def test_a_stripe_signature_of_another_time_is_too_old(seconds: int):
    with pytest.raises(UserError, match="too old"):
        verify_stripe(STRIPE_SECRET, stripe(f"t={SIGNED_AT},v1={stripe_signature()}"), now=SIGNED_AT + seconds)


@pytest.mark.parametrize(
    "header",
    ["", "t=,v1=", f"v1={stripe_signature()}", f"t={SIGNED_AT + 1},v1={stripe_signature()}", f"t={SIGNED_AT}",
     "t=x,v1=y", f"t={SIGNED_AT},t={SIGNED_AT},v1={stripe_signature()}", f"t={SIGNED_AT},v0={stripe_signature()}"],
)  # fmt: skip
def test_any_other_stripe_request_is_refused(header: str):
    with pytest.raises(UserError, match="signature is wrong"):
        verify_stripe(STRIPE_SECRET, stripe(header), now=SIGNED_AT)


def test_an_empty_secret_is_the_authors_mistake():
    with pytest.raises(ValueError, match="empty"):
        verify_github("", github(f"sha256={GITHUB_SIGNATURE}"))
    with pytest.raises(ValueError, match="empty"):
        verify_stripe("", stripe("t=1,v1=2"))
