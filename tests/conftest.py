"""Fixtures and options of all tests: one Azurite for the session, an empty storage account for each test that asks.

The workspace of all tests, and of what they start, is a copy of the shipped examples.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from dev.azurite import Azurite
from dev.examples import copy_examples
from shared.storage import Storage
from shared.storage.azure.clients import AzureStorage
from tests.support.accounts import ACCOUNTS, StorageAccount, generated_accounts, unused_accounts
from tests.support.proxy import StorageProxy

settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("full", max_examples=5000, deadline=None)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also the long runs")


def pytest_configure(config: pytest.Config) -> None:
    workspace = copy_examples(Path(tempfile.mkdtemp(prefix="workspace-")))
    config.add_cleanup(lambda: shutil.rmtree(workspace, ignore_errors=True))
    os.environ["WORKSPACE_PATH"] = str(workspace)
    # At the end, as discovery does it.
    sys.path.append(str(workspace))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="a long run: ask for it with --full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The session's Azurite. Don't stop it: a test of what happens without storage starts one of its own."""
    with Azurite(tmp_path_factory.mktemp("azurite"), accounts=generated_accounts(), in_memory=True) as running:
        yield running


@pytest.fixture(scope="session")
def storage_accounts(azurite: Azurite) -> Iterator[StorageAccount]:
    return unused_accounts(azurite)


@pytest.fixture
def storage_account(storage_accounts: Iterator[StorageAccount]) -> StorageAccount:
    """An empty storage account of this test alone."""
    account = next(storage_accounts, None)
    if account is None:
        pytest.fail(
            f"all {ACCOUNTS} storage accounts of the session are used; raise ACCOUNTS in tests/support/accounts.py"
        )
    return account


@pytest_asyncio.fixture
async def storage(storage_account: StorageAccount) -> AsyncIterator[Storage]:
    """The test's own storage account, as the app uses it; closed at the end."""
    opened = AzureStorage(storage_account.connection_string)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def proxy(azurite: Azurite, storage_account: StorageAccount) -> AsyncIterator[StorageProxy]:
    """A proxy in front of the test's storage account, which sees and can spoil its traffic."""
    async with StorageProxy(azurite, storage_account) as running:
        yield running


@pytest_asyncio.fixture
async def proxied(proxy: StorageProxy) -> AsyncIterator[Storage]:
    """The test's own storage account as the app uses it, through `proxy`; closed at the end."""
    opened = AzureStorage(proxy.connection_string)
    yield opened
    await opened.close()
