"""Dead letters: a record that nobody could use, kept with its reason on a compacted topic."""

from confluent_kafka import Producer

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


def send(producer: Producer, dead: Dead, epoch: int) -> None:
    """Queue a dead letter; it is on its topic after the producer's flush."""
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
    producer.produce(f"{dead.place.topic}.dead", key=key_of(dead), value=dead.value or b"", headers=headers)
