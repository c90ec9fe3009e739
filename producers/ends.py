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
# How far back to look for a record of the simulator among others (broken ones, ones of a file) that came later.
_DEPTHS = (100, 10_000)


class Last(NamedTuple):
    """The last event of a partition; events of one topic are sent in this order."""

    time_us: int
    key: str


class Ends:
    """The last event that a simulator has sent, by topic and partition."""

    def __init__(self, partitions: dict[str, int], last: dict[tuple[str, int], Last]) -> None:
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
    consumer = Consumer(
        client_config(
            kafka, **{"group.id": "headrace.produce", "enable.auto.commit": False, "enable.partition.eof": True}
        )
    )
    try:
        return _read(consumer, list(topics), mark.encode())
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {kafka.bootstrap_servers} does not tell its last records: {error.args[0].str()}"
        ) from None
    finally:
        consumer.close()


def _read(consumer: Consumer, topics: list[Topic], mark: bytes) -> Ends:
    metadata = consumer.list_topics(timeout=_ANSWER_S).topics
    partitions = {topic.name: len(metadata[topic.name].partitions) for topic in topics}
    found: dict[tuple[str, int], Last] = {}
    for topic in topics:
        for partition in range(partitions[topic.name]):
            last = _last_event(consumer, topic, partition, mark)
            if last is not None:
                found[topic.name, partition] = last
    return Ends(partitions, found)


def _last_event(consumer: Consumer, topic: Topic, partition: int, mark: bytes) -> Last | None:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic.name, partition), timeout=_ANSWER_S)
    marked = other = None
    for depth in _DEPTHS:
        start = max(low, high - depth)
        for message, last in _events(consumer, Codec(topic), partition, start):
            other = last
            if ("simulator", mark) in (message.headers() or ()):
                marked = last
        if marked is not None or start == low:
            break
    return marked or other


def _events(consumer: Consumer, codec: Codec, partition: int, start: int) -> Iterator[tuple[Message, Last]]:
    """The events of a partition from an offset to its end; records that are none are left out."""
    consumer.assign([TopicPartition(codec.topic.name, partition, start)])
    deadline = time.monotonic() + _ANSWER_S
    while time.monotonic() < deadline:
        for message in consumer.consume(500, 0.1):
            error = message.error()
            if error is None:
                with suppress(BadRecord):
                    event = codec.decode(message.value())
                    yield message, Last(codec.time_us(event), codec.key(event))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its public name
                return
            elif not error.retriable():
                raise KafkaException(error)
    raise Unavailable(f"{codec.topic.name}[{partition}]: Kafka does not give its last records")
