"""With a managed identity the app needs no key: storage, uploads and the key vault take its tokens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.azurite import DEFAULT_ACCOUNT, HOST, PROJECT, Azurite
from tests.support.azure_services import AzureServices, write_certificate

SECRET = "of-the-vault-42"
WORKSPACE = """
from shared.decorators import workflow


@workflow(name="reads", execution_mode="sync")
async def reads(context, key: str):
    secret = await context.get_secret(key)
    print("it is", secret)
    return [secret, len(secret)]


@workflow(name="later")
def later(text: str):
    return len(text)
"""


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return write_certificate(tmp_path)


async def probed(tmp_path: Path, **environment: str) -> dict[str, Any]:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "flows.py").write_text(WORKSPACE)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    settings = {"WORKSPACE_PATH": str(tmp_path / "flows"), "WEBSITE_SITE_NAME": "app", **environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.identity_probe",
        cwd=PROJECT,
        env={**inherited, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert SECRET not in errors.decode()
    return json.loads(output.splitlines()[-1])


async def test_storage_uploads_and_secrets_work_without_any_key(tmp_path: Path, certificate: tuple[Path, Path]):
    secrets = {"partner-key": SECRET, f"partner-key/{'0' * 32}": "an-older-value"}
    with Azurite(tmp_path / "azurite", in_memory=True, certificate=certificate) as azurite:
        addresses = {
            f"AzureWebJobsStorage__{service}ServiceUri": f"https://{HOST}:{port}/{DEFAULT_ACCOUNT}"
            for service, port in azurite.ports._asdict().items()
        }
        async with AzureServices(certificate, secrets) as services:
            found = await probed(tmp_path, **addresses, **services.environment)
    assert found["before"] == []
    assert (found["api"]["status"], found["api"]["result"]) == ("Success", ["••••", len(SECRET)])
    assert found["old"]["result"] == ["••••", len("an-older-value")]
    assert found["api"]["logs"][-1]["message"] == "it is ••••"
    assert SECRET not in json.dumps(found)
    assert found["no"]["error"] == "The secret 'no' may not be read by this app"
    assert found["gone"]["error"] == "The secret 'gone' is not in the key vault"
    assert (found["later"], found["queue"]) == (400_000, 1)
    # Azurite can't check it: the SDK signs for a newer version than it knows. The key it is signed with is Azurite's.
    upload = found["upload"]
    assert (upload["sp"], upload["sr"], upload["spr"], upload["sks"]) == ("c", "b", "https", "b")
    assert upload["skoid"]
    assert upload["sig"]
    assert "https://storage.azure.com" in services.resources
    # Each was looked up once, however many runs there were.
    assert sorted(services.asked) == sorted(["partner-key", f"partner-key/{'0' * 32}", "forbidden", "gone"])


async def test_a_vault_that_is_away_fails_only_who_asks_for_its_secret(
    tmp_path: Path, certificate: tuple[Path, Path], azurite: Azurite
):
    async with AzureServices(certificate, {}) as services:
        services.is_away = True
        environment = {"AzureWebJobsStorage": azurite.connection_string, **services.environment}
        found = await probed(tmp_path, **environment)
    assert found["api"]["error"] == "The secret 'api' can't be read: the key vault is out of reach"
    assert found["later"] == 400_000
