"""The docs page of the running app, over HTTP and in a real browser."""

from __future__ import annotations

import asyncio
import gzip
import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.support.hosted import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BROWSER_SECONDS = 60


async def test_every_asset_of_the_page_is_served_with_its_type(app: Client):
    page = await app.get("/docs")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for name, kind in (("swagger-ui-bundle.js", "javascript"), ("swagger-ui.css", "css"), ("page.js", "javascript")):
        assert f"/api/docs/{name}".encode() in page.body or name == "page.js"
        asset = await app.get(f"/docs/{name}")
        assert asset.status == 200
        assert kind in asset.headers["Content-Type"]
    assert (await app.get("/docs/page.html")).status == 404
    assert (await app.get("/docs/..%2fdocs.py")).status == 404


async def test_the_script_comes_compressed_for_those_who_take_it(app: Client):
    url = f"{app.url}/api/docs/swagger-ui-bundle.js"
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
            compressed = await answer.read()
            assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
        async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert await answer.read() == gzip.decompress(compressed)
    assert len(compressed) < 500_000


@pytest.mark.skipif(BROWSER is None, reason="no browser here: install Chromium (on Debian the package chromium)")
async def test_a_browser_shows_the_operations_and_finds_nothing_to_refuse(app: Client, tmp_path: Path):
    assert BROWSER is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    process = await asyncio.create_subprocess_exec(
        *(BROWSER, *options, f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000"),
        *("--dump-dom", f"{app.url}/api/docs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        dom, log = await asyncio.wait_for(process.communicate(), BROWSER_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    console = [line for line in log.decode("utf-8", "replace").splitlines() if ":CONSOLE" in line]
    assert console == []
    assert b'id="operations-workflows-workflows_execute"' in dom
    assert b'id="operations-endpoints-endpoints_post_ticket_webhook"' in dom
