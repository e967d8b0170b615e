"""/api/docs: the API's description as a page (Swagger UI, which the app serves itself)."""

from __future__ import annotations

import asyncio
import gzip
from functools import lru_cache
from pathlib import Path

import azure.functions as func

from functions.http.adapter import Call, RawReply, route
from functions.http.routes import Answer, Nothing, RequestHeader
from shared.access.principal import Access
from shared.errors import NotFoundError

blueprint = func.Blueprint()

ASSETS = Path(__file__).parent / "docs_assets"
# What a page of the app's own origin may load and do: nothing but what this one needs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_JAVASCRIPT = "text/javascript; charset=utf-8"
# The file of each asset, and its type; compressed files are sent as they are to whoever takes them so.
_FILES = {
    "page.js": ("page.js", _JAVASCRIPT),
    "swagger-ui-bundle.js": ("swagger-ui-bundle.js.gz", _JAVASCRIPT),
    "swagger-ui.css": ("swagger-ui.css.gz", "text/css; charset=utf-8"),
}
_ACCEPT_ENCODING = RequestHeader("Accept-Encoding", "With `gzip` the answer may be compressed.")
_KEPT = {"Cache-Control": "public, max-age=3600"}


@route(
    blueprint,
    "GET",
    "docs",
    name="docs_get",
    access=Access.ANYONE,
    summary="This description as a page",
    answers={
        200: Answer(
            headers={
                "Content-Security-Policy": "The page loads nothing from elsewhere",
                "Referrer-Policy": "Nothing is told of where a link was followed",
            },
            media_type="text/html",
        )
    },
)
async def get_page(_: Call[Nothing, Nothing]) -> RawReply:
    content = await asyncio.to_thread(_read, "page.html")
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Referrer-Policy": "no-referrer",
    }
    return RawReply(content, 200, headers)


@route(
    blueprint,
    "GET",
    "docs/{asset}",
    name="docs_get_asset",
    access=Access.ANYONE,
    summary="A script or style sheet of the page",
    headers=(_ACCEPT_ENCODING,),
    answers={
        200: Answer(
            headers={
                "Content-Encoding": "`gzip` when it is compressed",
                "Vary": "It depends on what the caller takes",
            },
            media_type="*/*",
        )
    },
)
async def get_asset(call: Call[Nothing, Nothing]) -> RawReply:
    if call.path["asset"] not in _FILES:
        raise NotFoundError("The page has no such asset")
    file, kind = _FILES[call.path["asset"]]
    content = await asyncio.to_thread(_read, file)
    headers = {**_KEPT, "Content-Type": kind}
    if file.endswith(".gz"):
        headers["Vary"] = "Accept-Encoding"
        if _takes_gzip(call.header(_ACCEPT_ENCODING) or ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = await asyncio.to_thread(gzip.decompress, content)
    return RawReply(content, 200, headers)


@lru_cache
def _read(file: str) -> bytes:
    return (ASSETS / file).read_bytes()


def _takes_gzip(accepted: str) -> bool:
    """Whether Accept-Encoding names gzip, and not with the weight 0 (RFC 9110, section 12.5.3)."""
    for part in accepted.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return not weight or weight.strip("0.") != ""
    return False
