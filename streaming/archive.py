"""The archive of one topic: a Delta table that takes every offset of every partition exactly once.

Why nothing is doubled. A commit carries rows and, for each partition that this copy owns, one `txn` action: the last
offset archived. Two things hold at every commit:

1. At the held handle's version the `txn` of every owned partition equals what this copy wrote or read last. Equal, not
   "at most": rows begin at the offset after it, and only if nobody else has moved it since are they the next ones.
2. The commit goes through that same handle. If another writer has committed since the handle's version, delta-rs reads
   those commits and refuses ours when one of them carries a `txn` of a partition that ours carries too.

So between the check and the commit no owned partition can move, and each commit takes a partition from the offset
before its first row to the offset of its last one: a compare-and-swap. A commit without conflict moves the handle past
what others have committed meanwhile, so one check is not enough for a life. It is made again whenever the handle stands
anywhere else than one commit of ours after a version that was checked; there, what we wrote is what it says. A path
instead of a handle, or a handle refreshed between check and commit, would lose the second half.

A commit whose answer was lost is not repeated blindly: the table is opened again, and its `txn` tell whether it is in.
"""

import re
from urllib.parse import urlsplit

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import DeltaError, DeltaProtocolError, SchemaMismatchError, TableNotFoundError

from streaming.archive_schema import PARTITIONED_BY
from streaming.errors import Fenced, HeadraceError, Unavailable
from streaming.failpoints import failpoint

Archived = dict[int, int | None]
"""The last archived offset by partition; None where nothing is archived."""
_WORN = 50
"""Commits through one handle: it grows by what each one adds, and every commit takes longer."""
_FAILED = (DeltaError, OSError, ValueError)


def table_url(store: str, topic: str) -> str:
    """Where a topic's table lives below the store; a local one is a plain path.

    >>> table_url("file:///data/store/", "telecom.usage"), table_url("s3://lake/x", "telecom.usage")
    ('/data/store/archive/telecom.usage', 's3://lake/x/archive/telecom.usage')
    """
    return f"{store.removeprefix('file://').rstrip('/')}/archive/{topic}"


def storage_options(url: str) -> dict[str, str]:
    """What delta-rs is told beside the AWS_* of the environment: commits are puts that must not exist."""
    if urlsplit(url).scheme != "s3":
        return {}
    return {
        "conditional_put": "etag",
        "allow_http": "true",
        "connect_timeout": "5s",
        "timeout": "60s",
        "max_retries": "3",
        "retry_timeout": "20s",
    }


def app_id(topic: str, topic_id: str, partition: int) -> str:
    """Under which name a partition's last offset is kept in the table.

    A topic that was deleted and made again has another id.

    >>> app_id("telecom.usage", "x7Hq", 0)
    'archive/telecom.usage/x7Hq/0'
    """
    return f"archive/{topic}/{topic_id}/{partition}"


class Table:
    """One topic's table, as one copy writes it."""

    def __init__(self, store: str, topic: str, schema: pl.Schema, *, keep_h: int) -> None:
        """Nothing is opened yet; a table that has to be made keeps removed files for `keep_h` hours."""
        self.topic = topic
        self.url = table_url(store, topic)
        self.rows = 0
        """In the whole table."""
        self._options = storage_options(self.url)
        self._columns = Schema.from_arrow(schema)
        self._keep_h = keep_h
        self._handle: DeltaTable | None = None
        self._used = 0
        self._differs = False
        self._topic_id = ""
        self._known: Archived = {}
        self._checked = -1
        """The version of the table at which `_known` is what it says."""
        self._tried: dict[int, int] | None = None

    def own(self, topic_id: str, partitions: list[int]) -> Archived:
        """Take over these partitions, and no others: the last archived offset of each."""
        self._topic_id, self._tried = topic_id, None
        handle = self._open()
        self._known = {partition: self._read(partition) for partition in partitions}
        self._checked = handle.version()
        return dict(self._known)

    @property
    def archived(self) -> Archived:
        """The last archived offset of every owned partition."""
        return self._known

    def last_of(self, partition: int) -> int | None:
        """The last archived offset of any partition; of one that is not ours, as of the last look at the table."""
        return self._known[partition] if partition in self._known else self._read(partition)

    def look(self, topic_id: str) -> None:
        """Read the table again."""
        self._topic_id = topic_id
        self._open()

    def append(self, frame: pl.DataFrame, last: dict[int, int]) -> None:
        """Commit the rows that follow what is archived, up to `last` of each partition.

        `Unavailable`: it is not known whether they are in; call again with the very same rows. `Fenced`: another copy
        has archived some of these partitions, nothing was written.
        """
        if self._used >= _WORN:
            self._open()
        if self.settle():
            return
        held, self._handle = self._held(), None  # only success gives it back
        self._tried = last
        with failpoint("write-delta"):
            self._commit(held, frame, {**self._known, **last})
        self._handle, self._used = held, self._used + 1
        if held.version() == self._checked + 1:
            self._checked += 1
        self._known |= last
        self._tried = None
        self.rows += len(frame)

    def settle(self) -> bool:
        """Hold the table against what this copy wrote last; True when a commit of unknown outcome turns out to be in.

        `Fenced` when neither is what the table says.
        """
        version = self._held().version()
        if version == self._checked and self._tried is None:
            return False
        found = {partition: self._read(partition) for partition in self._known}
        landed = self._tried is not None and found == {**self._known, **self._tried}
        for partition, offset in found.items():
            if not landed and offset != self._known[partition]:
                raise Fenced(
                    f"{self.topic}[{partition}] is archived to offset {offset}, this copy's last was "
                    f"{self._known[partition]}: another copy has taken over, nothing was written"
                )
        self._known, self._tried, self._checked = found, None, version
        return landed

    def _commit(self, held: DeltaTable, frame: pl.DataFrame, archived: Archived) -> None:
        moves = [
            Transaction(app_id(self.topic, self._topic_id, partition), offset)
            for partition, offset in archived.items()
            if offset is not None
        ]
        try:
            write_deltalake(
                held,
                frame,
                mode="append",
                schema_mode="merge" if self._differs else None,
                commit_properties=CommitProperties(app_transactions=moves),
            )
        except (SchemaMismatchError, DeltaProtocolError) as error:
            raise HeadraceError(f"{self.url} cannot take these rows: {reason(error)}") from None
        except _FAILED as error:
            raise Unavailable(f"{self.url} cannot be written: {reason(error)}") from None

    def _read(self, partition: int) -> int | None:
        """The `txn` on the held handle; reading it may open files of the log."""
        try:
            return self._held().transaction_version(app_id(self.topic, self._topic_id, partition))
        except _FAILED as error:
            self._handle = None
            raise Unavailable(f"{self.url} cannot be read: {reason(error)}") from None

    def _held(self) -> DeltaTable:
        return self._handle or self._open()

    def _open(self) -> DeltaTable:
        """Hold the newest version, unchecked; the table is made when there is none."""
        self._handle, self._checked = None, -1
        try:
            with failpoint("open-table"):
                handle = self._load()
            rows = handle.count()
        except _FAILED as error:
            raise Unavailable(f"{self.url} cannot be opened: {reason(error)}") from None
        self._differs = self._compare(handle.schema())
        self._handle, self._used, self.rows = handle, 0, rows
        return handle

    def _load(self) -> DeltaTable:
        try:
            return DeltaTable(self.url, storage_options=self._options)
        except TableNotFoundError:
            self._create()
            return DeltaTable(self.url, storage_options=self._options)

    def _create(self) -> None:
        DeltaTable.create(
            self.url,
            schema=self._columns,
            mode="ignore",
            partition_by=[PARTITIONED_BY],
            storage_options=self._options,
            configuration={
                "delta.checkpointInterval": str(_WORN),
                "delta.deletedFileRetentionDuration": f"interval {self._keep_h} hours",
            },
        )

    def _compare(self, found: Schema) -> bool:
        """Whether the table has other columns than the schema; a column of another type is an error."""
        theirs = {field.name: field.type for field in found.fields}
        for field in self._columns.fields:
            if field.name in theirs and theirs[field.name] != field.type:
                raise HeadraceError(
                    f"{self.url} keeps {field.name} as {theirs[field.name]}, the schema of {self.topic} says "
                    f"{field.type}: give the field another name, or move the table away"
                )
        return theirs.keys() != {field.name for field in self._columns.fields}


def reason(error: Exception) -> str:
    """delta-rs explains itself in a coloured tree of several lines; this is one line of it."""
    text = " ".join(re.sub(r"\x1b\[\d+m|↳", "", str(error)).split())
    return text if len(text) <= 200 else text[:197] + "..."
