"""The docs page: what it loads is the app's own, and exactly what its makers published."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest

from functions.http.docs import ASSETS, CONTENT_SECURITY_POLICY, _takes_gzip


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css"])
def test_swagger_ui_is_unchanged_and_its_licence_is_with_it(name: str):
    digest = hashlib.sha256(gzip.decompress((ASSETS / f"{name}.gz").read_bytes())).hexdigest()
    assert f"{digest}  {name}" in (ASSETS / "README.md").read_text()
    assert "Apache License" in (ASSETS / "LICENSE").read_text()


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_or_style_of_its_own():
    page = (ASSETS / "page.html").read_text()
    assert all(address.startswith(("/api/", "data:")) for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", page) == []
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [("gzip, deflate, br", True), ("br;q=1.0, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.00", False),
     ("", False), ("identity", False), ("x-gzipped", False)],
)  # fmt: skip
def test_compressed_files_go_to_those_who_take_them(accepted: str, takes: bool):
    assert _takes_gzip(accepted) is takes
