"""What the archive says of itself each second on `headrace.status`, one record per topic."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson
from confluent_kafka import Producer

from streaming import metrics
from streaming.archive_group import Group
from streaming.archive_sink import Sink
from streaming.errors import Unavailable
from streaming.merge import Place
from streaming.topics import STATUS

_EVERY_S = 1.0
_ANSWER_S = 0.5


class Reporter:
    """Publishes `archive/<topic>`; among several copies the one that reads partition 0 speaks for the table."""

    def __init__(self, producer: Producer, group: Group) -> None:
        """Nothing is said before the first call."""
        self._producer, self._group = producer, group
        self._next = 0.0

    def report_if_due(self, sinks: Iterable[Sink]) -> None:
        """Publish once a second; with no room left in the client's queue (Kafka is away) the next report will do."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        for sink in sinks:
            sink.observe()
            if 0 not in sink.partitions:
                continue
            lag = _lag(sink, self._group)
            if lag is not None:
                metrics.ARCHIVE_LAG.labels(sink.topic.name).set(lag)
            metrics.ARCHIVE_ROWS.labels(sink.topic.name).set(sink.table.rows)
            facts = {
                "topic": sink.topic.name,
                "rows": sink.table.rows,
                "commits": sink.commits,
                "dead": sink.dead,
                "buffered": sink.buffered,
                "lag": lag,
                "state": "waiting" if sink.blocked else "archiving",
                "time": datetime.now(UTC),
            }
            try:
                self._producer.produce(STATUS, key=f"archive/{sink.topic.name}", value=orjson.dumps(facts))
            except BufferError:
                return
        self._producer.poll(0)


def _lag(sink: Sink, group: Group) -> int | None:
    """Records that Kafka holds and the table does not, over all partitions; None while Kafka does not tell."""
    behind = 0
    for partition in range(sink.count):
        place = Place(sink.topic.name, partition)
        try:
            last = sink.table.last_of(partition)
            low, high = group.bound(place, cached=partition in sink.partitions, timeout_s=_ANSWER_S)
        except Unavailable:
            return None
        behind += max(0, high - (low if last is None else last + 1)) if high > 0 else 0
    return behind
