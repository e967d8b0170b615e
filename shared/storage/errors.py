"""What storage answers. No exception of an SDK leaves `shared.storage`."""

from __future__ import annotations


class StorageAnswerError(Exception):
    """Base of the answers that a repository deals with."""


class AlreadyExistsError(StorageAnswerError):
    """There is one with this key or name already."""


class MissingError(StorageAnswerError):
    """There is none with this key or name."""


class ContainerMissingError(MissingError):
    """The table, queue or container itself is not there."""


class ModifiedError(StorageAnswerError):
    """It was written since it was read: the ETag is another."""


class RefusedError(StorageAnswerError):
    """Storage does not take the request as it is; a mistake of the caller's. The message names Azure's error code."""
