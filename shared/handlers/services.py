"""The parts of this process on one storage, each made when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from shared.access.audit import AuditLog
from shared.access.authentication import Authentication
from shared.access.keys import KeyRing
from shared.access.organizations import Organizations
from shared.access.rate_limits import RateLimiter
from shared.configuration.secrets import SecretStore
from shared.configuration.values import Configuration
from shared.data_providers.cache import ProviderCache
from shared.engine import Engine
from shared.executions.executor import Executor
from shared.executions.idempotency import IdempotentExecutor
from shared.executions.queueing import EXECUTION_QUEUE, POISON_QUEUE, ExecutionQueue
from shared.executions.recovery import Recovery
from shared.executions.rejected import REJECTED_QUEUE, RejectedMessages
from shared.handlers.form_problems import ProblemIndex
from shared.repositories.audit import AuditRepository
from shared.repositories.configuration import ConfigurationRepository
from shared.repositories.executions.store import ExecutionStore
from shared.repositories.form_uploads import FormUploadRepository
from shared.repositories.forms import FormRepository
from shared.repositories.idempotency_keys import IdempotencyKeyRepository
from shared.repositories.organizations import OrganizationRepository
from shared.repositories.provider_answers import ProviderAnswerRepository
from shared.repositories.workflow_keys import WorkflowKeyRepository
from shared.settings.environment import get_settings
from shared.storage import Storage
from shared.storage.azure.clients import AzureStorage


class Services:
    """What handlers and entry points work with.

    Args:
        storage: where everything is stored.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    async def close(self) -> None:
        """Closes the connections to storage and to the key vault."""
        if "configuration" in self.__dict__:
            await self.configuration.close()
        await self.storage.close()

    @cached_property
    def executions(self) -> ExecutionStore:
        """Recorded executions."""
        return ExecutionStore(self.storage)

    @cached_property
    def forms(self) -> FormRepository:
        """Stored forms."""
        return FormRepository(self.storage)

    @cached_property
    def form_uploads(self) -> FormUploadRepository:
        """Files that were uploaded for forms."""
        return FormUploadRepository(self.storage)

    @cached_property
    def form_problems(self) -> ProblemIndex:
        """Which stored forms have problems."""
        return ProblemIndex(self.forms)

    @cached_property
    def workflow_keys(self) -> WorkflowKeyRepository:
        """Stored access keys."""
        return WorkflowKeyRepository(self.storage)

    @cached_property
    def configuration_values(self) -> ConfigurationRepository:
        """Stored configuration values."""
        return ConfigurationRepository(self.storage)

    @cached_property
    def organization_directory(self) -> OrganizationRepository:
        """Stored organizations."""
        return OrganizationRepository(self.storage)

    @cached_property
    def audit_entries(self) -> AuditRepository:
        """Stored entries of the audit log."""
        return AuditRepository(self.storage)

    @cached_property
    def idempotency_keys(self) -> IdempotencyKeyRepository:
        """Claimed Idempotency-Keys."""
        return IdempotencyKeyRepository(self.storage)

    @cached_property
    def provider_answers(self) -> ProviderAnswerRepository:
        """Stored answers of data providers."""
        return ProviderAnswerRepository(self.storage)

    @cached_property
    def audit(self) -> AuditLog:
        """Writes the audit log."""
        return AuditLog(self.audit_entries)

    @cached_property
    def keys(self) -> KeyRing:
        """Finds access keys."""
        return KeyRing(self.workflow_keys)

    @cached_property
    def organizations(self) -> Organizations:
        """Finds organizations."""
        return Organizations(self.organization_directory)

    @cached_property
    def authentication(self) -> Authentication:
        """Finds out who is calling."""
        return Authentication(self.keys, self.organizations)

    @cached_property
    def rates(self) -> RateLimiter:
        """How often somebody may call."""
        return RateLimiter()

    @cached_property
    def refusals(self) -> RateLimiter:
        """How often somebody may be refused; apart from `rates`, so that whoever is can't push out what it counts."""
        return RateLimiter()

    @cached_property
    def configuration(self) -> Configuration:
        """What runs find configured."""
        settings = get_settings()
        secrets = SecretStore(settings.key_vault_url, settings.identity_client_id)
        return Configuration(self.configuration_values, secrets)

    @cached_property
    def provider_cache(self) -> ProviderCache:
        """Answers of data providers."""
        return ProviderCache(self.provider_answers)

    @cached_property
    def engine(self) -> Engine:
        """Runs functions and scripts."""
        return Engine(self.configuration, self.provider_cache, self.form_uploads)

    @cached_property
    def queue(self) -> ExecutionQueue:
        """Where executions wait for a worker."""
        return ExecutionQueue(self.executions, self.storage.queue(EXECUTION_QUEUE))

    @cached_property
    def executor(self) -> Executor:
        """Submits, queues and runs executions."""
        rejected = RejectedMessages(self.storage.queue(POISON_QUEUE), self.storage.queue(REJECTED_QUEUE))
        return Executor(self.engine, self.executions, self.queue, self.organizations, rejected)

    @cached_property
    def idempotent_executor(self) -> IdempotentExecutor:
        """Submits executions that have an Idempotency-Key."""
        return IdempotentExecutor(self.executor, self.executions, self.idempotency_keys)

    @cached_property
    def recovery(self) -> Recovery:
        """Finds the executions that a crash has left behind."""
        return Recovery(self.executions, self.queue)


_services: Services | None = None


def get_services() -> Services:
    """The services of this process, on the storage of its settings.

    Raises:
        SettingsError: the settings are wrong.
    """
    global _services
    if _services is None:
        _services = Services(AzureStorage(get_settings().storage))
    return _services


async def close_services() -> None:
    """Closes what `get_services` has made; the next call makes new ones."""
    global _services
    services, _services = _services, None
    if services is not None:
        await services.close()
