"""Which storage account is meant is read once and checked; every mistake is named, and no value is repeated."""

from __future__ import annotations

import pytest

from shared.settings.storage_account import StorageSettings, read_storage_settings

KEY = "c2VjcmV0LWtleQ=="
CLIENT = "6f0e2c9a-2222-4222-8333-444455556666"


def read(**settings: str) -> tuple[StorageSettings | None, list[str]]:
    problems: list[str] = []
    environ = {f"AzureWebJobsStorage{name.removeprefix('_plain')}": value for name, value in settings.items()}
    return read_storage_settings(environ, problems), problems


@pytest.mark.parametrize(
    "text",
    [
        "UseDevelopmentStorage=true",
        "usedevelopmentstorage=TRUE;",
        f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY};EndpointSuffix=core.windows.net",
        f" AccountName=acct;AccountKey={KEY} ",
        "AccountName=acct;SharedAccessSignature=sv=2024&sig=abc",
        "BlobEndpoint=https://b;QueueEndpoint=https://q;TableEndpoint=https://t;SharedAccessSignature=sig=abc",
    ],
)
def test_connection_strings_are_taken(text: str):
    settings, problems = read(_plain=text)
    assert problems == []
    assert settings == StorageSettings(connection_string=text.strip().rstrip(";"))
    assert not settings.uses_identity


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("secret-nonsense", "parts NAME=VALUE"),
        (f"AccountKey={KEY}", "AccountName is missing"),
        ("AccountName=secret", "AccountKey is missing"),
        ("AccountName=a;AccountKey=se cret!", "AccountKey is no base64"),
        (f"DefaultEndpointsProtocol=secret;AccountName=a;AccountKey={KEY}", "DefaultEndpointsProtocol"),
        (f"AccountName=a;AccountKey={KEY};TableEndpoint=secret", "TableEndpoint must be an address"),
        ("UseDevelopmentStorage=false", "AccountName is missing"),
    ],
)
def test_each_mistake_of_a_connection_string_is_named_and_nothing_of_it_repeated(text: str, problem: str):
    settings, problems = read(_plain=text)
    assert settings is None
    assert any(problem in found for found in problems)
    assert all(found.startswith("AzureWebJobsStorage is no storage connection string: ") for found in problems)
    assert "secret" not in "".join(problems)
    assert KEY not in "".join(problems)


def test_an_account_name_means_the_apps_identity():
    settings, problems = read(__accountName="acct1", __credential="managedidentity", __clientId=CLIENT)
    assert problems == []
    assert settings == StorageSettings(
        blob_url="https://acct1.blob.core.windows.net",
        queue_url="https://acct1.queue.core.windows.net",
        table_url="https://acct1.table.core.windows.net",
        client_id=CLIENT,
    )
    assert settings.uses_identity


def test_the_addresses_of_the_services_can_be_given_too():
    settings, problems = read(
        __blobServiceUri="https://b.example/",
        __queueServiceUri="https://q.example",
        __tableServiceUri="http://127.0.0.1:1",
    )
    assert problems == []
    assert settings is not None
    assert (settings.blob_url, settings.table_url) == ("https://b.example", "http://127.0.0.1:1")
    mixed, problems = read(__accountName="acct1", __tableServiceUri="https://t.example")
    assert problems == []
    assert mixed is not None
    assert (mixed.queue_url, mixed.table_url) == ("https://acct1.queue.core.windows.net", "https://t.example")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"__accountName": "No_Such"}, "__accountName must be the account's name"),
        ({"__blobServiceUri": "https://b"}, "__queueServiceUri is missing"),
        (
            {"__accountName": "acct1", "__blobServiceUri": "http://b.example"},
            "__blobServiceUri must be an https:// address",
        ),
        ({"__accountName": "acct1", "__blobServiceUri": "https://[b"}, "__blobServiceUri must be an https:// address"),
        ({"__accountName": "acct1", "__credential": "key"}, "__credential must be managedidentity"),
        ({"__accountName": "acct1", "__clientId": "me"}, "__clientId must be the client id"),
        ({"__clientId": CLIENT}, "__blobServiceUri is missing"),
        ({"_plain": "UseDevelopmentStorage=true", "__accountName": "acct1"}, "are both set"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_mistake_of_the_identitys_settings_is_named(settings: dict[str, str], problem: str):
    found, problems = read(**settings)
    assert found is None
    assert any(problem in each for each in problems), problems


def test_without_any_setting_there_is_no_account_and_no_mistake():
    assert read() == (None, [])
    assert read(_plain="  ") == (None, [])
