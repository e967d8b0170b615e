"""Who may use a route, as OpenAPI's security schemes say it."""

from __future__ import annotations

from typing import Any

from functions.http.routes import RESULT_TOKEN
from shared.access.authentication import KEY_HEADER
from shared.access.principal import Access

_USER = ("session", "identityToken")
_KEY = ("accessKey", "functionsKey")
NOBODY: dict[str, list[str]] = {}

SCHEMES: dict[str, Any] = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "AppServiceAuthSession",
        "description": "The sign-in of App Service Authentication, as browsers have it after `/.auth/login/aad`."
        " With it, calls that run code or change something must come from the app's own pages, and none is a GET.",
    },
    "identityToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the identity provider, which App Service Authentication checks.",
    },
    "accessKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "wk_…",
        "description": "An access key; it opens endpoints and the executions that it began.",
    },
    "functionsKey": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER,
        "description": "The same access key in a header of its own.",
    },
    "resultToken": {
        "type": "apiKey",
        "in": "header",
        "name": RESULT_TOKEN.name,
        "description": RESULT_TOKEN.description,
    },
}


def security_of(access: Access, *, is_public: bool = True) -> list[dict[str, list[str]]]:
    """The ways to be let in, each of them enough.

    Args:
        access: the route's.
        is_public: whether an endpoint takes those whom nobody knows.
    """
    names = {
        Access.ANYONE: (),
        Access.USER: _USER,
        Access.ADMIN: _USER,
        Access.OWNER: (*_USER, *_KEY),
        Access.RESULT: (*_USER, *_KEY, "resultToken"),
        Access.ENDPOINT: (*_KEY, *_USER),
    }[access]
    ways: list[dict[str, list[str]]] = [{name: []} for name in names]
    # Whoever may come unknown may come known, too; what the answer holds then may differ.
    if access is Access.ANYONE:
        return [NOBODY, *({name: []} for name in (*_USER, *_KEY))]
    return [*ways, NOBODY] if access is Access.ENDPOINT and is_public else ways
