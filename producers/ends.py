"""Where the topics of a simulation end, so that it goes on there: nothing twice, nothing left out."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.sending import Outgoing, Stop
from streaming.codec import Codec
from streaming.errors import BadRecord, Unavailable
from streaming.kafka import client_config
from streaming.partition import partition_of
from streaming.settings import Kafka
from streaming.topics import Topic
from streaming.usecase import Event

_ANSWER_S = 15.0
_REST_S, _SETTLE_S = 0.5, 3.0
# How far back to look for a record of the simulator among others (broken ones, ones of a file) that came later.
_DEPTHS = (100, 10_000)


Place = tuple[str, int]
"""Topic and partition."""


class Last(NamedTuple):
    """The last event of a partition; events of one topic are sent in this order."""

    time_us: int
    key: str


class Ends:
    """The last event that a simulator has sent, by topic and partition."""

    def __init__(self, partitions: dict[str, int], last: dict[Place, Last]) -> None:
        """`partitions` counts each topic's; one without a last event has none."""
        self._partitions = partitions
        self._last = last
        self._placed: dict[tuple[str, str], Last | None] = {}

    def passed(self, topic: str, time_us: int, key: str) -> bool:
        """Whether this event is on its topic already."""
        place = topic, key
        if place not in self._placed:
            partition = partition_of(key.encode(), self._partitions[topic])
            self._placed[place] = self._last.get((topic, partition))
        last = self._placed[place]
        return last is not None and (time_us, key) <= last


def not_yet_sent(events: Iterable[tuple[Topic, Event]], ends: Ends, stop: Stop) -> Iterator[Outgoing]:
    """The records of the events that are not on their topics; it ends early when the command is to end."""
    codecs: dict[str, Codec] = {}
    for topic, event in events:
        if stop.requested:
            return
        codec = codecs.get(topic.name) or codecs.setdefault(topic.name, Codec(topic))
        key = codec.key(event)
        if not ends.passed(topic.name, codec.time_us(event), key):
            yield topic.name, key.encode(), codec.encode(event)


def read_ends(kafka: Kafka, topics: Iterable[Topic], *, mark: str) -> Ends:
    """Read the last records of every partition: the last with our mark counts, else the last that can be decoded."""
    own = {
        "group.id": "headrace.produce",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
    }
    consumer = Consumer(client_config(kafka, **own))
    try:
        return _read(consumer, list(topics), ("simulator", mark.encode()))
    except KafkaException as error:
        reason = error.args[0].str()
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not tell its last records: {reason}") from None
    finally:
        consumer.close()


def _read(consumer: Consumer, topics: list[Topic], mark: tuple[str, bytes]) -> Ends:
    metadata = consumer.list_topics(timeout=_ANSWER_S).topics
    partitions = {topic.name: len(metadata[topic.name].partitions) for topic in topics}
    places = [(name, partition) for name, count in partitions.items() for partition in range(count)]
    bounds = _at_rest(consumer, places)
    codecs = {topic.name: Codec(topic) for topic in topics}
    marked: dict[Place, Last] = {}
    other: dict[Place, Last] = {}
    for depth in _DEPTHS:
        starts = {place: max(low, high - depth) for place, (low, high) in bounds.items() if place not in marked}
        for message in _tails(consumer, {place: start for place, start in starts.items() if start < bounds[place][1]}):
            place = message.topic() or "", message.partition() or 0
            with suppress(BadRecord):
                codec = codecs[place[0]]
                event = codec.decode(message.value())
                found = marked if mark in (message.headers() or ()) else other
                found[place] = Last(codec.time_us(event), codec.key(event))
    return Ends(partitions, {**other, **marked})


def _at_rest(consumer: Consumer, places: list[Place]) -> dict[Place, tuple[int, int]]:
    """The first and the next offset of every partition, once they stand still.

    What a killed producer had sent may still be on its way through the broker.
    """
    deadline = time.monotonic() + _SETTLE_S
    before: dict[Place, tuple[int, int]] | None = None
    while True:
        now = {place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ANSWER_S) for place in places}
        if now == before or time.monotonic() > deadline:
            return now
        before = now
        time.sleep(_REST_S)


def _tails(consumer: Consumer, starts: dict[Place, int]) -> Iterator[Message]:
    """The records of each partition from an offset to its end."""
    consumer.assign([TopicPartition(*place, start) for place, start in starts.items()])
    unread = set(starts)
    deadline = time.monotonic() + _ANSWER_S
    while unread:
        for message in consumer.consume(500, 0.1):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its public name
                unread.discard((message.topic() or "", message.partition() or 0))
            elif not error.retriable():
                raise KafkaException(error)
        if time.monotonic() > deadline:
            raise Unavailable("Kafka does not give its last records")
