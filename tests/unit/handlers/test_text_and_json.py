"""Whatever a workflow's annotation is: what a query, a form and multipart give it is what JSON gives it."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings

from shared.context import HttpRequestInfo
from shared.handlers.encoded_fields import FieldValues, read_query
from shared.handlers.endpoint_requests import parameters_of
from shared.parameters.validation import plan_of
from shared.registry import WORKFLOW, FunctionMetadata
from tests.unit.parameters.test_text_values import ANNOTATIONS, text_of

FORM = "application/x-www-form-urlencoded"


def metadata_taking(annotation: Any) -> FunctionMetadata:
    def function(p: Any): ...

    function.__annotations__ = {"p": annotation}
    assert list(inspect.signature(function).parameters) == ["p"]
    return FunctionMetadata(name="w", function=function, tags=[WORKFLOW])


def multipart(fields: list[tuple[str, str]]) -> bytes:
    parts = [f'--b0und\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields]
    return "".join([*parts, "--b0und--\r\n"]).encode()


def requests_of(fields: list[tuple[str, str]]) -> list[tuple[HttpRequestInfo, FieldValues]]:
    """The same fields as a query, as a form, and as multipart."""
    query = urlencode(fields)
    headers = {"content-type": "multipart/form-data; boundary=b0und"}
    return [
        (HttpRequestInfo("POST"), read_query(f"https://x.example/?{query}")),
        (HttpRequestInfo("POST", {"content-type": FORM}, {}, query.encode()), {}),
        (HttpRequestInfo("POST", headers, {}, multipart(fields)), {}),
    ]


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_text_gives_what_json_gives(name: str):
    annotation, values = ANNOTATIONS[name]
    metadata = metadata_taking(annotation)

    with asyncio.Runner() as runner:

        def taken(request: HttpRequestInfo, query: FieldValues) -> Any:
            found = runner.run(parameters_of(request, query, metadata))
            assert found.left_out == ()
            return plan_of(metadata).validator.validate(found.values)["p"]

        @settings(max_examples=8, deadline=None)
        @given(values)
        def check(sent: Any) -> None:
            expected = taken(HttpRequestInfo("POST", {}, {}, json.dumps({"p": sent}).encode()), {})
            ways = requests_of([("p", text_of(sent))])
            if isinstance(sent, list) and len(sent) > 1 and name != "list":
                # A value chosen from several is never split on its way, whatever is in it. Without an annotation of
                # its items a list of text stays one.
                ways += requests_of([("p", text_of(item)) for item in sent])
            for request, query in ways:
                found = taken(request, query)
                assert (found, type(found)) == (expected, type(expected)), (request, query)

        check()
