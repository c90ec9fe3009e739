"""One topic's way into its table: rows are collected, dead letters delivered, then one commit takes both."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from confluent_kafka import Message, Producer

from streaming import deadletters, metrics
from streaming.archive import Archived, Table
from streaming.archive_batch import Batch
from streaming.archive_schema import Columns
from streaming.codec import Codec
from streaming.errors import HeadraceError, Unavailable
from streaming.patience import Patience
from streaming.settings import Settings
from streaming.topics import Topic

log = structlog.get_logger()

_MOST_BYTES = 64_000_000
_DELIVERY_S = 5.0
_LOOK_S = 0.5
_PAUSE_S = 60.0
"""Between two lines about dead letters."""


_FROM_THE_START = (  # a rise needs a zero before it
    metrics.ARCHIVE_COMMITS,
    metrics.ARCHIVE_COMMIT_SECONDS,
    metrics.ARCHIVE_COMPACTIONS,
    metrics.ARCHIVE_DEAD,
    metrics.ARCHIVE_FAILURES,
    metrics.ARCHIVE_UPKEEP_FAILURES,
    metrics.ARCHIVE_WRITTEN,
)


class Recreated(HeadraceError):
    """The topic was deleted and made again: what was read of the old one and not archived is gone for good."""


class Sink:
    """Collects the rows of a topic's partitions and commits them; a batch that failed is tried again as it is."""

    def __init__(self, settings: Settings, topic: Topic, letters: Producer, topic_id: Callable[[str], str]) -> None:
        """`letters` delivers dead letters; `topic_id` asks Kafka for the topic's present id."""
        self.topic = topic
        self._settings, self._letters, self._ask_id = settings, letters, topic_id
        self._codec, self._columns = Codec(topic), Columns(topic)
        self.table = Table(settings.store, topic.name, self._columns.schema, keep_h=settings.archive_keep_h)
        self.partitions: list[int] = []
        self.count = 0
        """Partitions of the topic, those of other copies included."""
        self.next: dict[int, int] = {}
        """The next offset to read of every owned partition."""
        self.commits = self.dead = self.written = 0
        """Since the start."""
        for instrument in _FROM_THE_START:
            instrument.labels(topic.name)
        self._id = ""
        self._frozen: Batch | None = None
        self._patience = Patience(topic=topic.name)
        self._began = self._frozen_began = 0.0
        self._written_s = self._frozen_written_s = 0.0
        """When the first record of the batch, and of the one that failed, had come to Kafka."""
        self._looked = self._say_s = 0.0
        self.drop()

    def drop(self) -> None:
        """Forget what was read and not archived, and own nothing."""
        self._batch = Batch(self.topic, self._codec, self._columns, self._id)
        self._frozen = None
        self.partitions, self.next = [], {}

    def begin(self, partitions: list[int]) -> Archived:
        """Take over these partitions: the last archived offset of each."""
        self._id = self._ask_id(self.topic.name)
        self.drop()
        archived = self.table.own(self._id, partitions)
        self.partitions = partitions
        return archived

    def verify(self) -> None:
        """See whether somebody else has archived our partitions since our last commit: `Fenced` when so."""
        self.table.look(self._id)
        if self.table.settle():
            self._frozen = None  # it is in, though the answer was lost

    @property
    def archived(self) -> dict[int, int]:
        """The last archived offset of every owned partition that has one."""
        return {part: last for part, last in self.table.archived.items() if last is not None}

    @property
    def blocked(self) -> bool:
        """The last commit failed: what is read now would only take room."""
        return self._frozen is not None

    @property
    def buffered(self) -> int:
        """Rows that were read and are not archived yet."""
        return self._batch.rows + (self._frozen.rows if self._frozen else 0)

    @property
    def empty(self) -> bool:
        """Everything that was read is archived."""
        return self._frozen is None and not self._batch.last

    def observe(self) -> None:
        """Show how much waits, and for how long."""
        name = self.topic.name
        since = min(self._frozen_began, self._began) if self._frozen else self._began
        metrics.ARCHIVE_WAITING.labels(name).set(self.buffered)
        metrics.ARCHIVE_WAITING_SECONDS.labels(name).set(0.0 if self.empty else time.monotonic() - since)
        written_s = self._frozen_written_s if self._frozen else self._written_s
        metrics.ARCHIVE_LAG_SECONDS.labels(name).set(0.0 if self.empty else max(0.0, time.time() - written_s))

    def add(self, partition: int, messages: Sequence[Message]) -> None:
        """Add the next records of a partition."""
        if partition not in self.next:
            return  # fetched before the partition was taken away
        if not self._batch.last:
            self._began, self._written_s = time.monotonic(), messages[0].timestamp()[1] / 1000
        self._batch.add(partition, messages)
        self.next[partition] = self._batch.last[partition] + 1

    def passed(self, partition: int, offset: int) -> None:
        """Note that there is nothing to archive before this offset."""
        if partition in self.next:
            self.next[partition] = max(self.next[partition], offset)

    def due(self) -> bool:
        """There is enough to commit, or it has waited long enough, or a failed commit may be tried again."""
        if self._frozen is not None:
            return self._patience.ready
        batch = self._batch
        return bool(batch.last) and (
            batch.rows >= self._settings.archive_rows
            or batch.size >= _MOST_BYTES
            or time.monotonic() - self._began >= self._settings.archive_every_s
        )

    def flush(self) -> bool:
        """Commit what was read; False when that has to be tried again."""
        batch = self._frozen or self._batch
        if batch.last:
            if self._frozen is None:
                self._frozen, self._frozen_began, self._frozen_written_s = batch, self._began, self._written_s
                self._batch = Batch(self.topic, self._codec, self._columns, self._id)
                self._began = time.monotonic()
            try:
                with metrics.ARCHIVE_COMMIT_SECONDS.labels(self.topic.name).time():
                    self._commit(batch)
            except Unavailable as error:
                metrics.ARCHIVE_FAILURES.labels(self.topic.name).inc()
                self._patience.failed(error)
                return False
        self._frozen = None
        self._patience.succeeded()
        return True

    def reached(self, ends: dict[int, int]) -> bool:
        """Everything before these offsets is archived, by this copy or another one."""
        if not self.empty or any(self.next[part] < end for part, end in ends.items() if part in self.next):
            return False
        others = {part: end for part, end in ends.items() if part not in self.next}
        return not others or self._archived_elsewhere(others)

    def _archived_elsewhere(self, ends: dict[int, int]) -> bool:
        if time.monotonic() - self._looked < _LOOK_S:
            return False
        self._looked = time.monotonic()
        try:
            self._id = self._id or self._ask_id(self.topic.name)
            self.table.look(self._id)
            return all((self.table.last_of(part) or 0) + 1 >= end for part, end in ends.items())
        except Unavailable:
            return False

    def summary(self, partitions: Iterable[int]) -> dict[str, Any]:
        """Rows of the table, rows and dead letters of this run, and the next offset of each partition."""
        next_ = dict(self.next)
        for part in set(partitions) - set(next_):
            with contextlib.suppress(Unavailable):
                last = self.table.last_of(part)
                next_[part] = 0 if last is None else last + 1
        return {
            "rows": self.table.rows,
            "written": self.written,
            "dead": self.dead,
            "offsets": {str(part): next_[part] for part in sorted(next_)},
        }

    def _commit(self, batch: Batch) -> None:
        """The rows last: a crash above writes the same dead letters again, under the same keys."""
        frame = batch.frame()
        self._deliver(batch)
        if self._ask_id(self.topic.name) != self._id:
            raise Recreated(f"{self.topic.name} was deleted and made again")
        self.table.append(frame, batch.last)
        self.commits += 1
        self.dead += batch.buried
        self.written += len(frame)
        metrics.ARCHIVE_COMMITS.labels(self.topic.name).inc()
        metrics.ARCHIVE_DEAD.labels(self.topic.name).inc(batch.buried)
        metrics.ARCHIVE_WRITTEN.labels(self.topic.name).inc(len(frame))

    def _say_dead(self, batch: Batch) -> None:
        """At most once a minute, however many there are; of a batch that is tried again once."""
        now_s = time.monotonic()
        if batch.dead and now_s >= self._say_s:
            self._say_s = now_s + _PAUSE_S
            what = "dead letters: they are kept on their topic, the archive goes on"
            log.warning(what, topic=self.topic.name, records=len(batch.dead), reason=str(batch.dead[0]))

    def _deliver(self, batch: Batch) -> None:
        self._say_dead(batch)
        while batch.dead:
            try:
                deadletters.send(self._letters, batch.dead[0], epoch=0)
            except BufferError:
                self._wait_for_delivery()
                continue
            batch.dead.popleft()
        if batch.buried:
            self._wait_for_delivery()

    def _wait_for_delivery(self) -> None:
        if self._letters.flush(_DELIVERY_S):
            servers = self._settings.kafka.bootstrap_servers
            raise Unavailable(f"Kafka at {servers} has not taken the dead letters of {self.topic.name}")
