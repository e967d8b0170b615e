"""What the platform asks of a storage: tables, queues, blobs. Each kind of storage has a room below this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Value = str | bytes | bool | int | float
# Whole numbers are stored with 32 bits.
Values = Mapping[str, Value | None]

LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row.

    Attributes:
        key: its row key.
        values: its columns, without the keys.
        etag: opaque; changes with each write.
    """

    key: str
    values: Mapping[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class Page:
    """What one query brought.

    Attributes:
        rows: in the order of their keys; can be none even when there is more to come.
        continuation: for the query of the next page; None at the end.
    """

    rows: list[Row]
    continuation: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Insert:
    """Add a row; there must be none with this key. Values that are None are left out, here and below."""

    key: str
    values: Values


@dataclass(frozen=True, slots=True)
class Upsert:
    """Write a row whatever is there."""

    key: str
    values: Values


@dataclass(frozen=True, slots=True)
class Replace:
    """Write a row in the place of the one with this ETag."""

    key: str
    values: Values
    etag: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Change the given columns of the row with this ETag, and keep the others."""

    key: str
    values: Values
    etag: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row; it must be there."""

    key: str


Change = Insert | Upsert | Replace | Merge | Delete


class Table(ABC):
    """A table; it is created when a call finds that it is missing.

    All methods raise `StorageUnavailableError` when storage is out of reach, and besides that what they say.
    """

    @abstractmethod
    async def insert(self, partition: str, key: str, values: Values) -> str:
        """Adds a row and gives its ETag.

        Raises:
            AlreadyExistsError: there is a row with this key.
        """

    @abstractmethod
    async def get(self, partition: str, key: str, select: Sequence[str] | None = None) -> Row | None:
        """Reads a row, or the selected columns of it; None when there is none."""

    @abstractmethod
    async def get_several(self, partition: str, keys: Collection[str]) -> dict[str, Row]:
        """Reads the rows that are there, by key, in one call; a handful of keys at most."""

    @abstractmethod
    async def query(
        self,
        partition: str,
        *,
        above: str,
        below: str,
        limit: int,
        select: Sequence[str] | None = None,
        continuation: Mapping[str, str] | None = None,
    ) -> Page:
        """Reads one page of the rows whose keys lie between two keys, in their order.

        Args:
            partition: the partition key.
            above, below: bounds of the row key, which don't belong to the range.
            limit: how many rows at most, up to 1,000.
            select: the columns to read; None for all.
            continuation: of the page before, for the same query.
        """

    async def rows(
        self,
        partition: str,
        *,
        above: str,
        below: str,
        select: Sequence[str] | None = None,
        page_rows: int = LARGEST_PAGE,
    ) -> AsyncIterator[Row]:
        """All rows between two keys, see `query`; a call for each `page_rows` of them."""
        continuation = None
        while True:
            page = await self.query(
                partition, above=above, below=below, limit=page_rows, select=select, continuation=continuation
            )
            for row in page.rows:
                yield row
            continuation = page.continuation
            if continuation is None:
                return

    @abstractmethod
    async def update(
        self, partition: str, key: str, values: Values, etag: str, mode: Literal["merge", "replace"]
    ) -> str:
        """Changes the row with this ETag and gives the new one; `merge` keeps the columns that are not given.

        Raises:
            ModifiedError: the row has another ETag.
            MissingError: there is no such row.
        """

    @abstractmethod
    async def delete(self, partition: str, key: str) -> None:
        """Removes a row, if it is there."""

    @abstractmethod
    async def transaction(self, partition: str, changes: Sequence[Change]) -> list[str | None]:
        """Makes up to 100 changes in one partition, all or none, in one call.

        Returns:
            The ETag of each row, None for deleted ones.

        Raises:
            AlreadyExistsError, ModifiedError, MissingError: what the first change that can't be made ran into.
        """


class Queue(ABC):
    """A queue of text messages; it is created when a call finds that it is missing.

    All methods raise `StorageUnavailableError` when storage is out of reach.
    """

    @abstractmethod
    async def send(self, text: str, *, visibility_delay_seconds: int = 0, keep_seconds: int | None = None) -> None:
        """Sends a message. It may arrive twice when the answer was lost.

        Args:
            text: at most 48 KiB as UTF-8.
            visibility_delay_seconds: how long nobody sees it; up to seven days.
            keep_seconds: when it is gone though nobody has deleted it; None: never.

        Raises:
            ValueError: the text is too long.
        """

    @abstractmethod
    async def front(self) -> datetime | None:
        """When the message was sent that is next, about; None when nobody has to wait.

        Queues promise no order, but keep it nearly: what was sent well before this moment was delivered, unless it has
        to wait for its visibility delay.
        """

    @abstractmethod
    async def length(self) -> int:
        """About how many messages there are, hidden ones too; 0 when there is no queue."""


@dataclass(frozen=True, slots=True)
class BlobProperties:
    """What storage says of a blob: its size in bytes, and the type that it was uploaded with, in lower case."""

    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class UploadUrl:
    """Where a client may put a blob: `url` is signed, `blob_uri` is the blob's address."""

    url: str
    blob_uri: str


class Blobs(ABC):
    """A container of blobs: what is too large for a row. A write costs about a hundred times one to a table.

    All methods raise `StorageUnavailableError` when storage is out of reach.
    """

    @abstractmethod
    async def put(self, name: str, content: bytes) -> None:
        """Writes a blob, over what is there."""

    @abstractmethod
    async def get(self, name: str) -> bytes | None:
        """Reads a blob whole; None when there is none."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Removes a blob, if it is there."""

    @abstractmethod
    async def properties(self, name: str) -> BlobProperties | None:
        """The size and type of a blob; None when there is none."""

    @abstractmethod
    async def upload_url(self, name: str, expires_at: datetime) -> UploadUrl:
        """A URL that lets whoever has it create this one blob until then, by one PUT, and neither read nor change it.

        Raises:
            SettingsError: there is nothing to sign it with.
        """


class Storage(ABC):
    """A storage, by its parts. It belongs to the event loop that uses it first, the one that serves triggers."""

    @property
    @abstractmethod
    def is_available(self) -> bool:
        """False after a call did not reach storage, until one does."""

    @abstractmethod
    def table(self, name: str) -> Table:
        """The table of this name."""

    @abstractmethod
    def queue(self, name: str) -> Queue:
        """The queue of this name."""

    @abstractmethod
    def blobs(self, container: str) -> Blobs:
        """The container of this name."""

    @abstractmethod
    async def check(self) -> bool:
        """Asks storage for something small, once, for at most two seconds; says whether it answered."""

    @abstractmethod
    async def close(self) -> None:
        """Closes the connections. The object may be used again afterwards, from any loop."""
