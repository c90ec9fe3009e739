"""Dead letters: a record that nobody could use, kept with its reason on a compacted topic."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import KafkaError, Message, Producer

from streaming.failpoints import failpoint
from streaming.history import history
from streaming.kafka import ensure_topics
from streaming.merge import Dead, Place
from streaming.settings import Kafka
from streaming.topics import Topic


@dataclass(frozen=True)
class Letter:
    """A dead letter as it was read back."""

    key: str
    """What `key_of` made of it."""
    place: Place
    offset: int
    use_case: str | None
    """Whose handler failed; None when the record is bad for every reader."""
    reason: str
    value: bytes
    """The record's value as it came; empty when it had none."""
    written_ms: int
    """When the letter was written, milliseconds since 1970."""

    @property
    def record(self) -> Any:
        """What the record says, as JSON has it; its text where it is not JSON, None where it is empty."""
        try:
            return orjson.loads(self.value) if self.value else None
        except orjson.JSONDecodeError:
            return self.value.decode(errors="replace")


def key_of(dead: Dead) -> str:
    """`<topic>/<partition>/<offset>`, so that every reader may write the same one; a handler's has its use case too."""
    place = f"{dead.place.topic}/{dead.place.partition}/{dead.offset}"
    return f"{place}/{dead.use_case}" if dead.use_case else place


def ensure(kafka: Kafka, topics: list[Topic]) -> None:
    """Make the dead-letter topics of these topics."""
    ensure_topics(kafka, [topic.dead for topic in topics], compacted=True)


def read_letters(kafka: Kafka, topic: Topic) -> list[Letter]:
    """The letters that wait on the topic's dead-letter topic, by partition and offset of the records."""
    found: dict[bytes, Letter] = {}
    for message in history(kafka, topic.dead):
        key = message.key() or b""
        if message.value() is None:
            found.pop(key, None)
        elif (letter := _letter(topic, key, message)) is not None:
            found[key] = letter
    return sorted(found.values(), key=lambda letter: (letter.place, letter.offset, letter.use_case or ""))


def _letter(topic: Topic, key: bytes, message: Message) -> Letter | None:
    """None for a record whose key is none of ours."""
    name, *place = key.decode(errors="replace").split("/")
    if name != topic.name or len(place) not in (2, 3) or not all(part.isdecimal() for part in place[:2]):
        return None
    headers: dict[str, Any] = dict(message.headers() or ())
    return Letter(
        key.decode(),
        Place(name, int(place[0])),
        int(place[1]),
        place[2] if len(place) == 3 else None,
        (headers.get("reason") or b"").decode(errors="replace"),
        message.value() or b"",
        message.timestamp()[1],
    )


class Outbox:
    """Dead letters on their way: no checkpoint may cover a record whose letter is not on its topic yet."""

    def __init__(self, producer: Producer, epoch: int) -> None:
        """Letters carry the epoch of the trainer that wrote them."""
        self._producer, self._epoch = producer, epoch
        self._waiting = 0

    def send(self, dead: Dead) -> None:
        """Queue a letter, unless it is there already."""
        if dead.sent:
            return
        self._waiting += 1
        send(self._producer, dead, self._epoch, self._arrived)

    def delivered(self, within_s: float) -> bool:
        """Wait until every letter is on its topic."""
        with failpoint("deliver-letters"):
            if self._waiting:
                self._producer.flush(within_s)
        return self._waiting == 0

    def _arrived(self, error: KafkaError | None, _message: object) -> None:
        if error is None:
            self._waiting -= 1


def send(
    producer: Producer, dead: Dead, epoch: int, arrived: Callable[[KafkaError | None, object], None] | None = None
) -> None:
    """Queue a dead letter, waiting for room if there is none; `arrived` hears of its delivery."""
    headers: list[tuple[str, str | bytes | None]] = [
        ("reason", dead.reason.encode()),
        ("topic", dead.place.topic.encode()),
        ("partition", str(dead.place.partition).encode()),
        ("offset", str(dead.offset).encode()),
        ("key", dead.key),
        ("use_case", (dead.use_case or "").encode()),
        ("epoch", str(epoch).encode()),
    ]
    # A record without a value would be a tombstone here: an empty value keeps the letter.
    while True:
        try:
            producer.produce(
                f"{dead.place.topic}.dead", dead.value or b"", key_of(dead), headers=headers, on_delivery=arrived
            )
        except BufferError:
            producer.poll(0.5)
        else:
            return
