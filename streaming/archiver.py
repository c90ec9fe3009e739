"""The archiving loop: copies share the topics' partitions; offsets come from the tables, and go back with the rows.

The group decides who reads what, for liveness alone. What makes it safe is the table (`streaming.archive`): each commit
is a compare-and-swap of the last archived offset of every partition that its writer owns.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from confluent_kafka import KafkaError, Message

from streaming import deadletters
from streaming.archive_group import Bounds, Fetched, Group
from streaming.archive_reporter import Reporter
from streaming.archive_sink import Recreated, Sink
from streaming.archive_upkeep import Upkeep
from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import admin, ensure_topics, producer, topic_ids
from streaming.merge import Place
from streaming.monitor import Pulse
from streaming.patience import Patience
from streaming.settings import Settings
from streaming.topics import STATUS, Topic

log = structlog.get_logger()

_PAUSE_S = 0.05
_LAST_FLUSH_S = 5.0


def first_offset(place: Place, archived: int | None, bounds: Bounds, *, accept_gap: bool) -> int:
    """Where to read on: after the last archived offset, or at the first record there is when nothing is archived.

    >>> usage = Place("telecom.usage", 0)
    >>> [first_offset(usage, last, (7, 99), accept_gap=False) for last in (41, None)]
    [42, 7]
    """
    low, high = bounds
    if archived is None:
        return low
    wanted = archived + 1
    if low <= wanted <= high:
        return wanted
    if wanted < low and accept_gap:
        return low
    ways = "`headrace archive --accept-gap` goes on without what is gone" if wanted < low else "it has lost records"
    where = f"{place.topic}[{place.partition}]"
    raise HeadraceError(f"{where}: the archive goes on at offset {wanted}, but Kafka holds {low} to {high}: {ways}")


class Archiver:
    """One copy of the archive."""

    def __init__(
        self,
        settings: Settings,
        topics: Iterable[Topic],
        stop: threading.Event,
        *,
        until_end: bool = False,
        accept_gap: bool = False,
    ) -> None:
        """Connect; `stop` ends the loop after a last commit."""
        self._settings, self._stop = settings, stop
        self._until_end, self._accept_gap = until_end, accept_gap
        self._admin = admin(settings.kafka)
        self._letters = producer(settings.kafka, on_delivery=_say_if_undelivered)
        self._sinks = {topic.name: Sink(settings, topic, self._letters, self._topic_id) for topic in topics}
        self._group = Group(settings.kafka, self._sinks, settings.instance, give_back=self._give_back)
        self._reporter = Reporter(self._letters, self._group)
        self._ends: dict[Place, int] = {}
        self._filled: set[Place] = set()
        self._held: set[str] = set()
        """Topics whose commits fail: nothing more of them is fetched."""
        self._failure: HeadraceError | None = None
        self._patience = Patience()
        self.pulse = Pulse()
        """Whether the loop turns."""

    def run(self) -> dict[str, Any]:
        """Archive until told to stop, or to the end of the topics; the summary."""
        while not self._patiently(self._prepare):
            self.pulse.beat()
            if self._stop.wait(_PAUSE_S):
                return self._summary()
        gc.freeze()
        gc.disable()  # its walks over the events in hand would take a third of the time; commits collect instead
        self._group.join()
        upkeep = Upkeep(self._settings, self._to_look_after)
        try:
            began = time.monotonic()
            self._loop()
            self._flush_for_good()
            rows, seconds = sum(sink.written for sink in self._sinks.values()), time.monotonic() - began
            log.info("stopping", rows=rows, seconds=round(seconds, 3))
            return self._summary()
        finally:
            upkeep.stop()
            for sink in self._sinks.values():
                sink.drop()  # what is not committed by now is read again at the next start
            self._group.leave()
            self._letters.flush(_LAST_FLUSH_S)

    def _prepare(self) -> None:
        kafka, topics = self._settings.kafka, [sink.topic for sink in self._sinks.values()]
        ensure_topics(kafka, [topic.name for topic in topics])
        ensure_topics(kafka, [STATUS], compacted=True)
        deadletters.ensure(kafka, topics)
        if self._until_end:
            bounds = self._group.bounds(self._group.places())
            self._ends = {place: high for place, (_, high) in bounds.items()}
            self._filled = {place for place, (low, high) in bounds.items() if low < high}

    def _loop(self) -> None:
        """Read, collect, commit: the commit is last, and takes rows and offsets together."""
        while not self._stop.is_set() and not self._complete():
            self.pulse.beat()
            if self._group.lost or self._group.assigned is not None:
                self._patiently(self._begin)
            fetched = self._group.poll()
            if self._failure is not None:
                raise self._failure
            if self._group.lost:
                continue
            self._take(fetched)
            for sink in self._sinks.values():
                if sink.due() or self._at_end(sink):
                    self._flush(sink)
            self._reporter.report_if_due(self._sinks.values())

    def _patiently(self, action: Callable[[], None]) -> bool:
        """Do it when it is time to; False when a server is away, or it is not time yet."""
        if not self._patience.ready:
            return False
        try:
            action()
        except Unavailable as error:
            self._patience.failed(error)
            return False
        self._patience.succeeded()
        return True

    def _begin(self) -> None:
        """Read on where the tables end. After a loss first see whether somebody else has archived meanwhile."""
        if self._group.lost:
            for sink in self._sinks.values():
                if sink.partitions:
                    sink.verify()
                sink.drop()
            self._group.lost = False
        if self._group.assigned is None:
            return
        archived: dict[Place, int | None] = {}
        for name, sink in self._sinks.items():
            mine = sorted(place.partition for place in self._group.assigned if place.topic == name)
            archived |= {Place(name, part): last for part, last in sink.begin(mine).items()} if mine else {}
        bounds = self._group.bounds(archived)
        offsets = {p: first_offset(p, last, bounds[p], accept_gap=self._accept_gap) for p, last in archived.items()}
        for place in self._group.places():
            self._sinks[place.topic].count = place.partition + 1
        for place, offset in offsets.items():
            self._sinks[place.topic].next[place.partition] = offset
            last = archived[place]
            if last is not None and offset > last + 1:
                where = place._asdict()
                log.warning("records are lost to the archive", **where, first=last + 1, last=offset - 1)
        self._group.read(offsets)
        self._held = set()
        log.info("archiving", partitions={name: sink.partitions for name, sink in self._sinks.items()})

    def _give_back(self) -> None:
        """Commit what was read while the partitions are still ours; what cannot be is left to their next owner."""
        for sink in self._sinks.values():
            try:
                sink.flush()
            except Recreated:
                pass
            except HeadraceError as error:
                self._failure = self._failure or error
            sink.drop()

    def _start_over(self) -> None:
        """Drop what was read and read on from the tables."""
        if self._group.assigned is not None:
            return
        places = [Place(name, part) for name, sink in self._sinks.items() for part in sink.partitions]
        for sink in self._sinks.values():
            sink.drop()
        self._group.begin_again(places)

    def _take(self, fetched: Fetched) -> None:
        for (topic, partition), messages in fetched.records.items():
            end = self._ends.get(Place(topic, partition))
            kept = messages if end is None else _before(messages, end)
            if kept:
                self._sinks[topic].add(partition, kept)
            if end is not None and len(kept) < len(messages):
                self._sinks[topic].passed(partition, end)
        for place, offset in fetched.ended.items():
            self._sinks[place.topic].passed(place.partition, offset)
        if fetched.gone:
            log.warning("the next offset is not in Kafka: looking again", partitions=fetched.gone)
            self._start_over()

    def _flush(self, sink: Sink) -> None:
        try:
            done = sink.flush()
        except Recreated:
            log.warning("the topic was deleted and made again: its first record is next", topic=sink.topic.name)
            self._start_over()
            return
        gc.collect()
        name, places = sink.topic.name, [Place(sink.topic.name, part) for part in sink.partitions]
        if not done and name not in self._held:
            self._held.add(name)
            self._group.hold(places)
        elif done and name in self._held:
            self._held.remove(name)
            self._group.go_on(places)
        if done:
            self._group.tell({Place(name, part): last + 1 for part, last in sink.archived.items()})

    def _flush_for_good(self) -> None:
        """Commit what was read before leaving; what a store that is away does not take is read again next time."""
        deadline = time.monotonic() + _LAST_FLUSH_S
        for sink in self._sinks.values():
            while not sink.empty and time.monotonic() < deadline:
                if sink.due() or not sink.blocked:
                    self._flush(sink)
                else:
                    time.sleep(_PAUSE_S)

    def _complete(self) -> bool:
        """With `until_end`: everything up to the ends is archived, by us or by other copies."""
        if not self._until_end or self._group.assigned is not None or self._group.lost:
            return False
        return all(
            sink.reached({place.partition: self._ends[place] for place in self._filled if place.topic == name})
            for name, sink in self._sinks.items()
        )

    def _at_end(self, sink: Sink) -> bool:
        """With `until_end`: nothing more is to come, so what waits need not wait any longer."""
        if not self._until_end or sink.empty or sink.blocked:
            return False
        return all(at >= self._ends.get(Place(sink.topic.name, part), 0) for part, at in sink.next.items())

    def _topic_id(self, name: str) -> str:
        return topic_ids(self._settings.kafka, [name], self._admin)[name]

    def _to_look_after(self) -> list[str]:
        """Each table has one keeper: the copy that reads partition 0."""
        return [sink.table.url for sink in self._sinks.values() if 0 in sink.partitions]

    def _summary(self) -> dict[str, Any]:
        parts = {name: [place.partition for place in self._ends if place.topic == name] for name in self._sinks}
        return {"topics": {name: sink.summary(parts[name]) for name, sink in self._sinks.items()}}


def _before(messages: list[Message], end: int) -> list[Message]:
    return [message for message in messages if (message.offset() or 0) < end]


def _say_if_undelivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        log.warning("a record was not delivered", topic=message.topic(), reason=error.str())
