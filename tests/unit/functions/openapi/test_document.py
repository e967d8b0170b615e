"""The API's description: valid, whole, and true to the declarations that serve the requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, Field
from pydantic_core import core_schema

from functions.http.routes import ROUTES, Answer, AnyContent, Nothing, RequestHeader, Route
from functions.openapi.document import document_of, document_text
from shared.access.principal import Access
from shared.context import EndpointResponse
from shared.decorators import metadata_of, param, workflow
from shared.errors import ConflictError
from shared.models.base import ApiModel, UtcDatetime
from shared.registry import FunctionMetadata, FunctionRegistry, staging
from tests.support.described import document


@pytest.fixture
def registry() -> Iterator[FunctionRegistry]:
    document()  # which imports all routes
    with staging(FunctionRegistry()) as found:
        yield found


def metadata(function: Any) -> FunctionMetadata:
    found = metadata_of(function)
    assert found is not None
    return found


class Widget(ApiModel):
    """Something that a route of another resource shows."""

    widget_id: str
    made_at: UtcDatetime
    note: str | None = None


class WidgetQuery(ApiModel):
    kind: str = Field(max_length=5)
    after: UtcDatetime | None = None


@pytest.fixture
def widgets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The document of an app with a resource that this module alone declares."""
    tag = RequestHeader("X-Widget", "A header of widgets.")
    routes = [
        Route(name="widgets_make", method="POST", path="widgets", access=Access.ADMIN, summary="Makes one",
              body=Widget, query=WidgetQuery, headers=(tag,), answers={201: Answer(Widget, {"ETag": "Its version"})},
              errors=(ConflictError,)),
        Route(name="widgets_get", method="GET", path="widgets/{widgetId}", access=Access.USER, summary="Shows one",
              answers={200: list[Widget]}),
    ]  # fmt: skip
    document()
    monkeypatch.setattr("functions.openapi.document.ROUTES", [*ROUTES, *routes])
    return document_of([])


def test_it_is_valid_openapi_whatever_is_declared(widgets: dict[str, Any], registry: FunctionRegistry):
    OpenAPIV31SpecValidator(json.loads(json.dumps(widgets))).validate()
    OpenAPIV31SpecValidator(json.loads(document_text([metadata(every_type(registry))]))).validate()


def test_every_route_is_an_operation_by_its_name_under_its_resource():
    operations = {
        operation["operationId"]: (method, path, operation["tags"])
        for path, found in document()["paths"].items()
        for method, operation in found.items()
    }
    assert operations == {
        route.name: (route.method.lower(), f"/{route.path}", [route.path.partition("/")[0].removesuffix(".json")])
        for route in ROUTES
    }


def test_a_route_is_described_by_its_declaration_alone(widgets: dict[str, Any]):
    made = widgets["paths"]["/widgets"]["post"]
    assert [(found["in"], found["name"], found["required"]) for found in made["parameters"] if "$ref" not in found] == [
        ("query", "kind", True),
        ("query", "after", False),
        ("header", "X-Widget", False),
    ]
    assert made["requestBody"]["required"]
    assert sorted(made["responses"]) == ["201", "400", "401", "403", "404", "409", "411", "413", "415", "500", "503"]
    assert sorted(made["responses"]["201"]["headers"]) == ["ETag", "Location"]
    link = made["responses"]["201"]["links"]["widgets_get"]
    assert (link["operationId"], link["parameters"]) == ("widgets_get", {"widgetId": "$response.body#/widgetId"})
    shown = widgets["paths"]["/widgets/{widgetId}"]["get"]
    assert sorted(shown["responses"]) == ["200", "400", "401", "403", "404", "500", "503"]
    assert shown["security"] == [{"session": []}, {"identityToken": []}]


def test_an_answer_has_all_fields_of_its_model_and_no_others():
    schemas = document()["components"]["schemas"]
    answer = schemas["ExecutionResponse"]
    assert sorted(answer["required"]) == sorted(answer["properties"])
    assert answer["additionalProperties"] is False
    assert schemas["ExecutionStatus"]["enum"][0] == "Pending"


def test_what_runs_something_leads_to_its_execution():
    for route in ("/workflows/execute", "/forms/{formId}/execute", "/endpoints/{workflowName}"):
        for status in ("200", "202"):
            links = document()["paths"][route]["post"]["responses"][status]["links"]
            assert {"executions_get", "executions_logs", "executions_cancel"} <= set(links)


def test_every_example_fits_its_schema():
    components = document()["components"]
    examples = [
        (name, example) for name, schema in components["schemas"].items() for example in schema.get("examples", [])
    ]
    assert len(examples) > 5
    for name, example in examples:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)
    for response in components["responses"].values():
        content = response["content"]["application/json"]
        Draft202012Validator({**content["schema"], "components": components}).validate(content["example"])


def every_type(_: FunctionRegistry) -> Any:
    @workflow(
        name="everything",
        description="Takes all",
        execution_mode="sync",
        endpoint_enabled=True,
        allowed_methods=["GET", "POST"],
    )
    @param("name", type="string", label="Full name", required=True, validation={"pattern": "^[a-z]+$", "max_length": 9})
    @param("size", type="string", validation={"enum": ["s", "l"]}, default_value="s", help_text="How large")
    @param("count", type="int", validation={"min": 1, "max": 5})
    @param("tags", type="list", validation={"enum": ["a", "b"]})
    @param("data", type="json")
    @param("mail", type="email")
    @param("code", type="string")
    def everything(
        name: str,
        size: str = "s",
        count: int = 1,
        tags: list[str] | None = None,
        data: dict[str, int] | None = None,
        mail: str = "",
        code: str = "",
    ) -> dict[str, str]:
        return {}

    return everything


def test_what_an_endpoint_verifies_is_described_once_in_a_valid_document(registry: FunctionRegistry):
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    @workflow(name="signed", endpoint_enabled=True, allowed_methods=methods, dedupe_header="Idempotency-Key",
              verify='token:{"query": "token", "secret": "S"}')  # fmt: skip
    def signed(token: str = "", other: int = 0) -> None:
        pass

    described = document_of([metadata(signed)])
    OpenAPIV31SpecValidator(json.loads(json.dumps(described))).validate()
    operations = described["paths"]["/endpoints/signed"]
    assert sorted(operations) == sorted(method.lower() for method in methods)
    found = [(one["in"], one["name"], one["required"]) for one in operations["get"]["parameters"] if "name" in one]
    assert found == [("query", "token", True), ("header", "Idempotency-Key", False), ("query", "other", False)]
    assert {"4XX", "200", "202", "401", "500", "504"} <= set(operations["post"]["responses"])
    refused = described["components"]["responses"]["EndpointUnauthorized"]["content"]["application/json"]["schema"]
    assert refused["properties"]["error"]["enum"] == ["Unauthorized", "WorkflowFailed"]


def test_an_endpoint_has_its_workflows_own_parameters(registry: FunctionRegistry):
    described = document_of([metadata(every_type(registry))])["paths"]["/endpoints/everything"]
    assert sorted(described) == ["get", "post"]
    content = described["post"]["requestBody"]["content"]
    assert list(content) == ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
    assert [found["schema"] for found in content.values()] == [content["application/json"]["schema"]] * 3
    assert list(content["multipart/form-data"]["encoding"]) == ["tags", "data"]
    body = content["application/json"]["schema"]
    assert (body["required"], body["additionalProperties"]) == (["name"], True)
    fields = body["properties"]
    whole = "^(?:^[a-z]+$)$"
    assert fields["name"] == {"type": "string", "pattern": whole, "maxLength": 9, "title": "Full name"}
    assert fields["size"] == {"type": "string", "enum": ["s", "l"], "default": "s", "description": "How large"}
    assert (fields["count"]["minimum"], fields["count"]["maximum"], fields["count"]["default"]) == (1, 5, 1)
    assert fields["mail"]["format"] == "email"
    query = {found["name"]: found for found in described["get"]["parameters"] if found.get("in") == "query"}
    # Azure reads its own keys from `code`.
    assert sorted(query) == ["count", "data", "mail", "name", "size", "tags"]
    assert query["name"]["required"]
    assert "application/json" in query["data"]["content"]
    assert "405" not in described["get"]["responses"]
    assert "default" not in described["get"]["responses"]
    assert described["get"]["operationId"] == "endpoints_get_everything"
    assert "executions_get" in described["post"]["responses"]["202"]["links"]


def test_an_endpoint_that_may_answer_by_itself_says_so(registry: FunctionRegistry):
    @workflow(name="unsaid", endpoint_enabled=True, public_endpoint=True)
    def unsaid(**others):
        return others

    described = document_of([metadata(unsaid)])["paths"]["/endpoints/unsaid"]["post"]
    assert "default" in described["responses"]
    assert described["security"][-1] == {}
    assert described["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"] is True


def test_an_endpoint_that_takes_the_whole_body_says_so(registry: FunctionRegistry):
    @workflow(name="all_of_it", endpoint_enabled=True)
    def all_of_it(body: list[int], more: str = ""):
        return body

    content = document_of([metadata(all_of_it)])["paths"]["/endpoints/all_of_it"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"]["anyOf"][1] == {"type": "array", "items": {"type": "integer"}}
    assert content["application/xml"] == content["text/plain"] == {"schema": {"type": "string"}}


def test_an_annotation_says_whether_a_workflow_answers_by_itself(registry: FunctionRegistry):
    @workflow(name="either", endpoint_enabled=True)
    def either() -> EndpointResponse | dict[str, int]:
        return {}

    @workflow(name="neither", endpoint_enabled=True)
    def neither() -> dict[str, int]:
        return {}

    paths = document_of([metadata(either), metadata(neither)])["paths"]
    assert "default" in paths["/endpoints/either"]["post"]["responses"]
    assert "default" not in paths["/endpoints/neither"]["post"]["responses"]


class Node:
    """A class that pydantic can read by its own means, and not describe."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        return core_schema.no_info_plain_validator_function(lambda value: value)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    children: list[Tree] = Field(default_factory=list)
    colour: Colour = Field(default=Colour.RED, description="Of its leaves")


def test_parameters_of_any_annotation_are_described(registry: FunctionRegistry):
    @workflow(name="odd", endpoint_enabled=True, allowed_methods=["GET", "POST"])
    def odd(node: Node, tree: Tree, when: UtcDatetime, pair: tuple[int, str] = (1, "a")) -> int:
        return 1

    described = document_of([metadata(odd)])
    OpenAPIV31SpecValidator(json.loads(json.dumps(described))).validate()
    fields = described["paths"]["/endpoints/odd"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert fields["required"] == ["node", "tree", "when"]
    assert fields["properties"]["node"] == {}
    # A class within itself has no place to be referred to: there it may be anything.
    assert fields["properties"]["tree"]["properties"]["children"]["items"] == {}
    # What the place says of a class of its own stands beside what the class is.
    colour = fields["properties"]["tree"]["properties"]["colour"]
    assert (colour["enum"], colour["default"], colour["description"]) == (["red", "blue"], "red", "Of its leaves")
    assert fields["properties"]["when"]["format"] == "date-time"
    assert fields["properties"]["pair"]["default"] == [1, "a"]


def test_names_of_form_fields_are_described_as_they_are_checked():
    fields = document()["components"]["schemas"]["FormField-Input"]["properties"]
    pattern = fields["name"]["pattern"]
    assert re.search(pattern, "customer")
    assert not re.search(pattern, "7 days")


def test_parameters_of_any_name_are_described_where_a_query_takes_them():
    found = document()["paths"]["/data-providers/{providerName}"]["get"]["parameters"]
    free = next(parameter for parameter in found if parameter.get("name") == "others")
    # In a query everything is text, so nothing that is sent there can be wrong by itself.
    assert (free["style"], free["explode"], free["schema"]) == (
        "form",
        True,
        {"type": "object", "additionalProperties": True},
    )


def test_every_body_is_shown_by_an_example():
    document()
    bodies = {route.body for route in ROUTES} - {Nothing, AnyContent}
    assert [body.__name__ for body in bodies if not body.model_json_schema().get("examples")] == []
