"""host.json as the local host reads it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from dev.host.functions import FunctionError, describe, resolve
from dev.host.host_json import HostJsonError, QueueOptions, read_host_json
from dev.host.logs import CategoryFilter, Invocation, LineFormatter, current_invocation


def read(folder: Path, document: Any, **environ: str) -> Any:
    (folder / "host.json").write_text(json.dumps(document), encoding="utf-8")
    return read_host_json(folder, environ)


def test_without_a_file_the_documented_defaults_hold(tmp_path: Path) -> None:
    options = read_host_json(tmp_path, {})
    assert options.route_prefix == "api"
    assert options.max_outstanding_requests is None
    assert options.queues == QueueOptions(
        batch_size=16,
        new_batch_threshold=8 * (os.cpu_count() or 1),
        max_dequeue_count=5,
        visibility_timeout=0,
        max_polling_interval=60,
        base64=True,
    )


def test_everything_can_be_said_in_the_file(tmp_path: Path) -> None:
    queues = {
        "batchSize": 8,
        "newBatchThreshold": 4,
        "maxDequeueCount": 3,
        "visibilityTimeout": "00:00:30",
        "maxPollingInterval": "00:00:02.5",
        "messageEncoding": "none",
    }
    http = {"routePrefix": "/v1/", "maxOutstandingRequests": 20}
    options = read(tmp_path, {"functionTimeout": "1.00:00:10", "extensions": {"http": http, "queues": queues}})
    assert (options.route_prefix, options.max_outstanding_requests, options.function_timeout) == ("v1", 20, 86410)
    assert options.queues == QueueOptions(
        batch_size=8,
        new_batch_threshold=4,
        max_dequeue_count=3,
        visibility_timeout=30,
        max_polling_interval=2.5,
        base64=False,
    )


def test_a_setting_stands_over_the_file_and_no_pause_is_under_100_ms(tmp_path: Path) -> None:
    override = {
        "AzureFunctionsJobHost__extensions__queues__BATCHSIZE": "2",
        "AzureFunctionsJobHost__functionTimeout": "-1",
    }
    options = read(tmp_path, {"extensions": {"queues": {"batchSize": 9, "maxPollingInterval": "00:00:00"}}}, **override)
    assert (options.queues.batch_size, options.function_timeout) == (2, None)
    assert options.queues.max_polling_interval == 0.1


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ([], "JSON object"),
        ({"functionTimeout": "10 minutes"}, "functionTimeout"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "batchSize in host.json must be a whole number from 1 to 32"),
        ({"extensions": {"queues": {"batchSize": True}}}, "batchSize"),
        ({"extensions": {"queues": {"visibilityTimeout": 30}}}, "visibilityTimeout"),
        ({"extensions": {"queues": {"messageEncoding": "hex"}}}, "base64 or none"),
        ({"logging": {"logLevel": "Information"}}, "logLevel"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, document: Any, named: str) -> None:
    with pytest.raises(HostJsonError, match=named):
        read(tmp_path, document)


def test_no_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{", encoding="utf-8")
    with pytest.raises(HostJsonError, match=r"host\.json is no JSON"):
        read_host_json(tmp_path, {})


@pytest.mark.parametrize(
    ("logger", "level", "inside", "shown"),
    [
        ("anything", logging.INFO, False, False),
        ("anything", logging.WARNING, False, True),
        ("anything", logging.INFO, True, True),
        ("Noisy.Part", logging.WARNING, False, False),
        ("Noisy.Part", logging.ERROR, False, True),
        ("Noisier", logging.WARNING, False, True),
        ("dev.host", logging.INFO, False, True),
    ],
)
def test_the_longest_category_decides_what_is_shown(logger: str, level: int, inside: bool, shown: bool) -> None:
    levels = {"default": "Warning", "Function": "Information", "Function.other.User": "None", "Noisy": "Error"}
    record = logging.LogRecord(logger, level, "file", 1, "text", (), None)
    token = current_invocation.set(Invocation("id", "mine") if inside else None)
    try:
        assert CategoryFilter(levels).filter(record) is shown
    finally:
        current_invocation.reset(token)


def test_a_line_says_when_how_bad_where_and_what() -> None:
    record = logging.LogRecord("app", logging.WARNING, "file", 1, "some %s", ("text",), None)
    assert LineFormatter().format(record).endswith("WARNING  [app] some text")
    token = current_invocation.set(Invocation("0123456789", "mine"))
    try:
        assert LineFormatter().format(record).endswith("WARNING  [mine 01234567] some text")
    finally:
        current_invocation.reset(token)


def test_settings_in_bindings_are_resolved_and_missing_ones_named() -> None:
    assert resolve("a-%NAME%", {"NAME": "b"}, "work") == "a-b"
    with pytest.raises(FunctionError, match="Function work does not run: there is no setting NAME"):
        resolve("%NAME%", {}, "work")


def test_an_output_that_is_not_supported_is_named_with_its_function() -> None:
    bindings = [
        {"type": "queueTrigger", "name": "message", "queueName": "q", "connection": "c"},
        {"type": "table", "name": "$return"},
    ]
    with pytest.raises(FunctionError, match=r"Function work does not run: .* binding table \(\$return\)"):
        describe("work", bindings)
    assert describe("work", bindings[:1]).trigger_type == "queueTrigger"
