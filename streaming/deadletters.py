"""Dead letters: a record that nobody could use, kept with its reason on a compacted topic."""

from collections.abc import Callable

from confluent_kafka import KafkaError, Producer

from streaming.failpoints import failpoint
from streaming.kafka import ensure_topics
from streaming.merge import Dead
from streaming.settings import Kafka
from streaming.topics import Topic


def key_of(dead: Dead) -> str:
    """`<topic>/<partition>/<offset>`, so that every reader may write the same one; a handler's has its use case too."""
    place = f"{dead.place.topic}/{dead.place.partition}/{dead.offset}"
    return f"{place}/{dead.use_case}" if dead.use_case else place


def ensure(kafka: Kafka, topics: list[Topic]) -> None:
    """Make the dead-letter topics of these topics."""
    ensure_topics(kafka, [topic.dead for topic in topics], compacted=True)


class Outbox:
    """Dead letters on their way: no checkpoint may cover a record whose letter is not on its topic yet."""

    def __init__(self, producer: Producer, epoch: int) -> None:
        """Letters carry the epoch of the trainer that wrote them."""
        self._producer, self._epoch = producer, epoch
        self._waiting = 0

    def send(self, dead: Dead) -> None:
        """Queue a letter."""
        self._waiting += 1
        send(self._producer, dead, self._epoch, self._arrived)

    def delivered(self, within_s: float) -> bool:
        """Wait until every letter is on its topic."""
        if self._waiting:
            with failpoint("deliver-letters"):
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
