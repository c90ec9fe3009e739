"""Reading an archived topic back: the rows of each partition in the order of their offsets, with little in memory.

What is read is one version of the table, up to the last offsets that its `txn` name. Its files never change, but upkeep
puts them together, and deletes them for good after a while. A file that is gone is no loss: the newest version holds
the same rows in other files, and reading goes on there, at the same offset and up to the same end.
"""

from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl
import structlog
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from streaming.archive import app_id, reason, storage_options, table_url
from streaming.archive_index import BLOCK_ROWS, Block, Index, Span, index, scan
from streaming.archive_schema import Columns
from streaming.errors import HeadraceError, Unavailable
from streaming.topics import Topic

log = structlog.get_logger()

_WINDOW = 20_000
"""Offsets of a partition that are given out at once."""
_MOST_BYTES = 256_000_000
"""Of blocks that are kept for other partitions; what one window needs is kept all the same."""
_AT_ONCE = 4
_FAILED = (DeltaError, OSError, ValueError, pl.exceptions.PolarsError)
_NOT_READ = ("_kafka_time", "_date")

Parts = dict[int, pl.DataFrame]
"""The rows of a block by partition."""


class Reader:
    """The rows of one topic id in some partitions."""

    def __init__(self, store: str, topic: Topic, topic_id: str, partitions: Iterable[int]) -> None:
        """Open the newest version; `HeadraceError` when there is no archive of this topic."""
        self.topic, self.columns = topic, Columns(topic)
        self._topic_id = topic_id
        self._url = table_url(store, topic.name)
        self._options = storage_options(self._url)
        self._schema = {name: kind for name, kind in self.columns.schema.items() if name not in _NOT_READ}
        self._uris: set[str] = set()
        self._index = Index({}, 0)
        self._blocks: OrderedDict[Block, Future[Parts]] = OrderedDict()
        self._said = False
        try:
            handle = self._open()
            self.version = handle.version()
            self.last = {part: handle.transaction_version(app_id(topic.name, topic_id, part)) for part in partitions}
            """The last archived offset by partition; None where nothing is archived."""
        except TableNotFoundError:
            raise HeadraceError(
                f"there is no archive of {topic.name} at {self._url}: `headrace archive` writes it"
            ) from None
        except _FAILED as error:
            raise Unavailable(f"{self._url} cannot be read: {reason(error)}") from None
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="archive")

    @property
    def others(self) -> int:
        """Rows of deleted topics of the same name, which are not read."""
        return self._index.others

    def first(self, partition: int) -> int | None:
        """The first archived offset of a partition; None when there is no row of it."""
        return min((span.low for span in self._spans(partition)), default=None)

    def rows(self, partition: int) -> int:
        """How many rows of a partition there are."""
        return sum(span.rows for span in self._spans(partition))

    def take(self, partition: int, at: int) -> tuple[pl.DataFrame | None, int]:
        """The next rows of a partition in the order of their offsets, from `at` on, and where those after them begin.

        None when there are no more, and the offset after the last archived one. `Unavailable`: call again.
        """
        last = self.last[partition]
        end = at - 1 if last is None else last
        while at <= end:
            upto = min(at + _WINDOW - 1, end)
            try:
                frame = self._window(partition, at, upto)
            except _FAILED as error:
                self._look_again(error)
                continue
            if len(frame):
                self._fetch(span.block for span in self._between(partition, upto + 1, upto + _WINDOW))
                return frame, upto + 1
            later = (max(span.low, upto + 1) for span in self._spans(partition) if span.high > upto)
            at = min(later, default=end + 1)
        return None, at

    def rewind(self) -> None:
        """Allow any offset to be taken again."""
        self._blocks.clear()

    def close(self) -> None:
        """Read nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._blocks.clear()

    def _open(self) -> DeltaTable:
        """Find the files of the newest version, and what is in them."""
        handle = DeltaTable(self._url, storage_options=self._options)
        uris = set(handle.file_uris())
        self._index = index(sorted(uris), self._topic_id, self._options)
        self._uris = uris
        return handle

    def _look_again(self, error: Exception) -> None:
        """After a file could not be read: the newest version may have others in its place."""
        self._blocks.clear()
        before = self._uris
        try:
            self._open()
        except _FAILED as again:
            raise Unavailable(f"{self._url} cannot be read: {reason(again)}") from None
        if self._uris == before:
            raise Unavailable(f"{self._url} cannot be read: {reason(error)}") from None

    def _window(self, partition: int, at: int, upto: int) -> pl.DataFrame:
        spans = self._between(partition, at, upto)
        blocks = [span.block for span in spans]
        self._fetch(blocks)
        loaded = [self._blocks[block].result() for block in blocks]
        self._make_room(len(blocks))
        parts = [parts[partition].filter(pl.col("_offset").is_between(at, upto)) for parts in loaded]
        frame = pl.concat(parts).sort("_offset") if parts else pl.DataFrame(schema=self._schema)
        once = frame.unique(subset="_offset", keep="first", maintain_order=True)
        if len(once) < len(frame) and not self._said:
            self._said = True
            log.warning("the archive holds records twice: each is used once", table=self._url, first=at, last=upto)
        for span, rest in zip(spans, loaded, strict=True):
            if span.high <= upto:
                self._used_up(span.block, partition, rest)
        return once

    def _used_up(self, block: Block, partition: int, parts: Parts) -> None:
        del parts[partition]
        if not parts:
            del self._blocks[block]

    def _between(self, partition: int, low: int, high: int) -> list[Span]:
        return [span for span in self._spans(partition) if span.low <= high and span.high >= low]

    def _spans(self, partition: int) -> list[Span]:
        return self._index.spans.get(partition, [])

    def _fetch(self, blocks: Iterable[Block]) -> None:
        """Begin to read those that are not here; the ones used last are the last to leave."""
        for block in blocks:
            if block not in self._blocks:
                self._blocks[block] = self._pool.submit(self._read, block)
            self._blocks.move_to_end(block)

    def _make_room(self, needed: int) -> None:
        done = {block: future for block, future in self._blocks.items() if future.done() and not future.exception()}
        sizes = {block: sum(p.estimated_size() for p in future.result().values()) for block, future in done.items()}
        total = sum(sizes.values())
        for block, size in list(sizes.items())[: max(0, len(sizes) - needed)]:
            if total <= _MOST_BYTES:
                return
            del self._blocks[block]
            total -= size

    def _read(self, block: Block) -> Parts:
        rows = (
            scan(block.uri, self._schema, self._options)
            .slice(block.first, BLOCK_ROWS)
            .filter(pl.col("_topic_id") == self._topic_id, pl.col("_partition").is_in(list(self.last)))
            .drop("_topic_id")
            .collect()
        )
        return {int(part): found for (part,), found in rows.partition_by("_partition", as_dict=True).items()}
