"""How far each endpoint of a poll has been sent: what the topic says counts, a file spares reading all of it."""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.mapping import Row
from streaming.codec import Codec
from streaming.errors import BadRecord, HeadraceError, Unavailable
from streaming.kafka import client_config, topic_ids, watermarks
from streaming.settings import Kafka
from streaming.topics import Topic

HEADER = "poll"
"""The header that names a record's endpoint."""
_ANSWER_S = 15.0


@dataclass
class Cursor:
    """The newest event time that was sent, and the keys that were sent of this very time."""

    time_us: int
    keys: set[str] = field(default_factory=set)

    def sent(self, row: Row) -> bool:
        """Whether this row, or a newer one, is on the topic already."""
        return row.time_us < self.time_us or (row.time_us == self.time_us and row.key in self.keys)

    def pass_(self, time_us: int, key: str) -> None:
        """Note a row that is on the topic; noting it twice changes nothing."""
        if time_us > self.time_us:
            self.time_us, self.keys = time_us, {key}
        elif time_us == self.time_us:
            self.keys.add(key)


@dataclass
class Cursors:
    """The cursors of one poll by endpoint: what the records of the topic up to `offsets` say, and maybe later ones."""

    topic_id: str
    offsets: dict[int, int] = field(default_factory=dict)
    """By partition, the next offset that was not looked at."""
    by_endpoint: dict[str, Cursor] = field(default_factory=dict)

    def of(self, endpoint: str, start_us: int) -> Cursor:
        """The endpoint's cursor; one that has sent nothing begins at `start_us`."""
        return self.by_endpoint.setdefault(endpoint, Cursor(start_us))


def read_back(kafka: Kafka, topic: Topic, file: Path) -> Cursors:
    """What the file says and what the topic has got since; the file of a topic that was made anew counts no more."""
    topic_id = topic_ids(kafka, [topic.name])[topic.name]
    cursors = _load(file)
    if cursors is None or cursors.topic_id != topic_id:
        cursors = Cursors(topic_id)
    codec = Codec(topic)
    for message in _since(kafka, topic.name, cursors.offsets):
        cursors.offsets[message.partition() or 0] = (message.offset() or 0) + 1
        headers: Any = message.headers() or ()
        endpoint = dict(headers).get(HEADER)
        if endpoint is None:
            continue
        try:
            event = codec.decode(message.value())
        except BadRecord:
            continue
        cursors.of(endpoint.decode(), codec.time_us(event)).pass_(codec.time_us(event), codec.key(event))
    return cursors


@contextmanager
def claimed(file: Path) -> Iterator[None]:
    """Hold the file: two polls of one name would send everything twice."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_suffix(".lock").open("a")
    except OSError as error:
        raise HeadraceError(f"{file.parent} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeadraceError(f"the poll {file.stem} runs already: {lock.name} is held") from None
        yield


def save(cursors: Cursors, file: Path) -> None:
    """Write the file at once or not at all."""
    content = {
        "topic_id": cursors.topic_id,
        "offsets": {str(partition): offset for partition, offset in cursors.offsets.items()},
        "endpoints": {
            name: {"time_us": cursor.time_us, "keys": sorted(cursor.keys)}
            for name, cursor in cursors.by_endpoint.items()
        },
    }
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as out:
            out.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
    except OSError as error:
        raise HeadraceError(f"{file} cannot be written: {error.strerror}") from None


def _load(file: Path) -> Cursors | None:
    """The file; None when there is none, or it is not ours: then the topic is read from its beginning."""
    try:
        found = orjson.loads(file.read_bytes())
        return Cursors(
            str(found["topic_id"]),
            {int(partition): int(offset) for partition, offset in found["offsets"].items()},
            {name: Cursor(int(c["time_us"]), set(c["keys"])) for name, c in found["endpoints"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _since(kafka: Kafka, topic: str, offsets: dict[int, int]) -> Iterator[Message]:
    """The records from these offsets to the ends of the partitions."""
    own = {
        "group.id": "headrace.produce",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
    }
    consumer = Consumer(client_config(kafka, **own))
    try:
        yield from _read(consumer, topic, offsets)
    except KafkaException as error:
        reason = error.args[0].str()
        raise Unavailable(
            f"Kafka at {kafka.bootstrap_servers} does not give the records of {topic}: {reason}"
        ) from None
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str, offsets: dict[int, int]) -> Iterator[Message]:
    starts = dict(_starts(consumer, topic, offsets))
    consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
    unread, heard = set(starts), time.monotonic()
    while unread:
        for message in consumer.consume(500, 0.1):
            heard = time.monotonic()
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its public name
                unread.discard(message.partition() or 0)
            elif not error.retriable():
                raise KafkaException(error)
        if time.monotonic() - heard > _ANSWER_S:
            raise Unavailable(f"Kafka does not give the records of {topic}")


def _starts(consumer: Consumer, topic: str, offsets: dict[int, int]) -> Iterable[tuple[int, int]]:
    """The partitions that hold something which was not looked at, and from where on."""
    for partition in consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions:
        low, high = watermarks(consumer, TopicPartition(topic, partition))
        start = max(low, offsets.get(partition, low))
        if start < high:
            yield partition, start
