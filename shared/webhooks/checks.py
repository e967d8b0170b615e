"""Signatures of webhooks: whether a request really comes from the system that shares a secret with the workflow.

`@workflow(verify="github:SECRET_NAME")` checks it before anything is run. These are for workflows that check by
themselves: `verify_github(secret, context.request)`.
"""

from __future__ import annotations

from dataclasses import replace

from shared.errors import UserError
from shared.models.http_requests import HttpRequestInfo
from shared.webhooks.signatures import SignatureRefusedError, Verification, read_verification

_REFUSED = 401


def verify_github(secret: str, request: HttpRequestInfo | None) -> None:
    """Checks the signature of a GitHub webhook: HMAC-SHA256 of the raw body in `X-Hub-Signature-256: sha256=…`.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries

    Args:
        secret: what was given to GitHub.
        request: `context.request`; None for a run that did not come through an endpoint.

    Raises:
        UserError: the signature is missing or wrong; at an endpoint it is answered with 401.
        ValueError: the secret is empty.
    """
    _verify(read_verification("github:given"), secret, request)


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
        UserError: the signature is missing, wrong, or too old; at an endpoint it is answered with 401.
        ValueError: the secret is empty.
    """
    _verify(replace(read_verification("stripe:given"), tolerance=tolerance_seconds), secret, request, now)


def _verify(verification: Verification, secret: str, request: HttpRequestInfo | None, now: float | None = None) -> None:
    given = request or HttpRequestInfo("POST")
    try:
        verification.check(secret, given.headers, given.body, now=now)
    except SignatureRefusedError as error:
        raise UserError(str(error), _REFUSED) from None
