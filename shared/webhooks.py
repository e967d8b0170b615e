"""Signatures of webhooks: whether a request really comes from the system that shares a secret with the workflow.

For workflows behind an endpoint: `verify_github(secret, context.request)`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time

from shared.context import HttpRequestInfo
from shared.errors import UserError

_GITHUB_HEADER = "x-hub-signature-256"
_STRIPE_HEADER = "stripe-signature"
_HEX = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"[0-9]{1,12}")
# While a secret is changed, Stripe signs with each that is valid.
_MOST_SIGNATURES = 10


def verify_github(secret: str, request: HttpRequestInfo | None) -> None:
    """Checks the signature of a GitHub webhook: HMAC-SHA256 of the raw body in `X-Hub-Signature-256: sha256=…`.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries

    Args:
        secret: what was given to GitHub.
        request: `context.request`; None for a run that did not come through an endpoint.

    Raises:
        UserError: the signature is missing or wrong.
        ValueError: the secret is empty.
    """
    body, header = _signed(secret, request, _GITHUB_HEADER)
    prefix, _, given = header.partition("=")
    if prefix != "sha256" or not _matches(secret, body, [given]):
        raise UserError("The webhook's signature is wrong")


def verify_stripe(
    secret: str, request: HttpRequestInfo | None, tolerance_seconds: float = 300, now: float | None = None
) -> None:
    """Checks the signature of a Stripe webhook: HMAC-SHA256 of `{t}.{body}` in `Stripe-Signature: t=…,v1=…`.

    https://docs.stripe.com/webhooks#verify-manually

    Args:
        secret: of the webhook endpoint, `whsec_…`.
        request: `context.request`; None for a run that did not come through an endpoint.
        tolerance_seconds: how far the signature's time may be from now; an older one may be a replay.
        now: seconds since 1970; left out, the present.

    Raises:
        UserError: the signature is missing, wrong, or too old.
        ValueError: the secret is empty.
    """
    body, header = _signed(secret, request, _STRIPE_HEADER)
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t" and _SECONDS.fullmatch(value)]
    signatures = [value for name, _, value in parts if name == "v1"][:_MOST_SIGNATURES]
    if len(times) != 1 or not _matches(secret, f"{times[0]}.".encode() + body, signatures):
        raise UserError("The webhook's signature is wrong")
    present = time.time() if now is None else now
    if abs(present - int(times[0])) > tolerance_seconds:
        raise UserError("The webhook's signature is too old")


def _signed(secret: str, request: HttpRequestInfo | None, header: str) -> tuple[bytes, str]:
    if not secret:
        raise ValueError("The webhook's secret is empty; anybody could sign with it")
    found = request.headers.get(header) if request is not None else None
    if request is None or found is None:
        raise UserError("The webhook's signature is missing")
    return request.body, found


def _matches(secret: str, signed: bytes, given: list[str]) -> bool:
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    # Each comparison takes a time that says nothing about how much of it is right.
    return any(hmac.compare_digest(expected, one) for one in given if _HEX.fullmatch(one))
