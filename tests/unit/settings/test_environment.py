"""Settings are read once, checked, and every mistake is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings.environment import load_settings


def load(tmp_path: Path, function_timeout: str | None = None, **environ: str):  # type: ignore[no-untyped-def]
    host = {"version": "2.0", **({"functionTimeout": function_timeout} if function_timeout else {})}
    (tmp_path / "host.json").write_text(json.dumps(host))
    return load_settings(environ, app_root=tmp_path)


def test_an_empty_environment_is_safe(tmp_path: Path):
    settings = load(tmp_path)
    assert settings.auth_mode == "platform"
    assert settings.inline_code
    assert not settings.workspace_reload
    assert settings.workspace_path == tmp_path / "workspace"
    assert settings.home_path is None
    with pytest.raises(SettingsError, match="AzureWebJobsStorage"):
        settings.require_storage()


def test_on_azure_inline_code_is_off_unless_it_is_asked_for(tmp_path: Path):
    assert not load(tmp_path, WEBSITE_INSTANCE_ID="1").inline_code
    assert load(tmp_path, WEBSITE_INSTANCE_ID="1", INLINE_CODE="on").inline_code


@pytest.mark.parametrize(
    "mark",
    [
        {"WEBSITE_INSTANCE_ID": "1"},
        {"WEBSITE_SITE_NAME": "app"},
        {"CONTAINER_APP_NAME": "app"},
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"},
    ],
)
def test_development_mode_is_refused_anywhere_but_on_a_developers_machine(tmp_path: Path, mark: dict[str, str]):
    assert load(tmp_path, AUTH_MODE="development").auth_mode == "development"
    with pytest.raises(SettingsError, match="AUTH_MODE=development"):
        load(tmp_path, AUTH_MODE="development", **mark)


def test_every_mistake_is_named_in_one_message(tmp_path: Path):
    with pytest.raises(SettingsError) as caught:
        load(
            tmp_path,
            function_timeout="soon",
            AUTH_MODE="none",
            WORKSPACE_RELOAD="maybe",
            WORKFLOW_THREADS="0",
            WORKFLOW_EVENT_LOOPS="many",
        )
    for name in ("functionTimeout", "AUTH_MODE", "WORKSPACE_RELOAD", "WORKFLOW_THREADS", "WORKFLOW_EVENT_LOOPS"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "longest"),
    [("00:10:00", 570), ("-1", None), (None, 270), ("1.00:00:00", 86_370), ("00:01:30", 60)],
)
def test_the_longest_timeout_is_30_seconds_less_than_the_hosts(tmp_path: Path, text: str | None, longest: int | None):
    assert load(tmp_path, function_timeout=text).longest_timeout_seconds == longest


def test_an_app_setting_wins_over_host_json(tmp_path: Path):
    settings = load(tmp_path, "00:10:00", AzureFunctionsJobHost__functionTimeout="00:20:00")
    assert settings.longest_timeout_seconds == 1170


def test_a_function_timeout_too_short_for_any_run_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="longer than 30 s"):
        load(tmp_path, "00:00:30")


def test_the_projects_own_host_json_is_right():
    assert load_settings({}).longest_timeout_seconds == 570


def test_telemetry_goes_to_every_destination_that_is_named_and_only_where_it_is_asked_for(tmp_path: Path):
    both = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1", "APPLICATIONINSIGHTS_CONNECTION_STRING": "key"}
    assert load(tmp_path, **both).telemetry_targets == ()
    asked = {"PYTHON_ENABLE_OPENTELEMETRY": "true"}
    assert load(tmp_path, **asked, **both).telemetry_targets == ("otlp", "application_insights")
    with pytest.raises(SettingsError, match="neither OTEL_EXPORTER_OTLP_ENDPOINT nor"):
        load(tmp_path, **asked)
    names = {"WEBSITE_SITE_NAME": "app", "WEBSITE_INSTANCE_ID": "1"}
    assert load(tmp_path, **names).service_name == "app"
    assert load(tmp_path, **names, OTEL_SERVICE_NAME="mine").service_name == "mine"
