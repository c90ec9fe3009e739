"""What a topic holds: its records from some offset to its present end."""

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streaming.errors import Unavailable
from streaming.kafka import client_config, watermarks
from streaming.settings import Kafka

_ANSWER_S = 10.0


def history(kafka: Kafka, topic: str, first: Mapping[int, int] | None = None) -> Iterator[Message]:
    """Every record that the topic holds now, each partition in its order.

    `first` names the partitions to read and the offsets to begin at (the first one kept, where that is gone); without
    it all of them are read from the beginning.
    `Unavailable` when nothing more comes for ten seconds.
    """
    consumer = _consumer(kafka)
    try:
        waiting = _assign(consumer, topic, first)
        heard = time.monotonic()
        while waiting:
            messages = consumer.consume(500, 0.2)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _ANSWER_S:
                raise Unavailable(f"the topic {topic} cannot be read to its end")
            for message in messages:
                at: tuple[int, int] = (message.partition(), message.offset())  # type: ignore[assignment]  # always set
                error = message.error()
                if error is None and at[0] in waiting:
                    if at[1] < waiting[at[0]]:
                        yield message
                    if at[1] + 1 >= waiting[at[0]]:
                        del waiting[at[0]]
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its public name
                    waiting.pop(at[0], None)
    except KafkaException as error:
        raise Unavailable(f"the topic {topic} cannot be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


def offsets_at(kafka: Kafka, topic: str, time_ms: int) -> dict[int, int]:
    """The first offset of every partition that was written at this time or later, by the records' own times.

    `OFFSET_END` where there is none.
    """
    consumer = _consumer(kafka)
    try:
        asked = [TopicPartition(topic, number, max(0, time_ms)) for number in _partitions(consumer, topic)]
        found = consumer.offsets_for_times(asked, timeout=_ANSWER_S)
        return {part.partition: part.offset for part in found}
    except KafkaException as error:
        raise Unavailable(f"Kafka does not tell the offsets of {topic}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _consumer(kafka: Kafka) -> Consumer:
    own = {
        "group.id": "headrace.reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    return Consumer(client_config(kafka, **own))


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    return sorted(consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions)


def _assign(consumer: Consumer, topic: str, first: Mapping[int, int] | None) -> dict[int, int]:
    """Begin to read; the end of every partition that holds something from there on."""
    if first is None:
        first = dict.fromkeys(_partitions(consumer, topic), OFFSET_BEGINNING)
    parts = [TopicPartition(topic, *place) for place in first.items()]
    bounds = {part.partition: watermarks(consumer, part, _ANSWER_S) for part in parts}
    left = [
        part
        for part, (low, high) in zip(parts, bounds.values(), strict=True)
        if part.offset != OFFSET_END and max(part.offset, low) < high
    ]
    consumer.assign(left)
    return {part.partition: bounds[part.partition][1] for part in left}
