"""The switch as a trainer hears it: `headrace.control`, followed from its beginning."""

from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from streaming.control import apply, wants_training
from streaming.kafka import client_config, close_within
from streaming.settings import Kafka
from streaming.topics import CONTROL


class Switch:
    """Whether training of one use case is wanted; `poll` often."""

    def __init__(self, kafka: Kafka, use_case: str) -> None:
        """Begin to read."""
        self._use_case = use_case
        self._records: dict[str, Any] = {}
        self.known = False
        """What is wanted was read to its end."""
        own = {
            "group.id": f"headrace.{use_case}.switch",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
        }
        self._consumer = Consumer(client_config(kafka, **own))
        self._consumer.assign([TopicPartition(CONTROL, 0, OFFSET_BEGINNING)])

    @property
    def on(self) -> bool:
        """Training is wanted."""
        return wants_training(self._records, self._use_case)

    def poll(self, timeout_s: float) -> None:
        """Hear what is new."""
        for message in self._consumer.consume(100, timeout_s):
            error = message.error()
            if error is None:
                apply(self._records, message.key(), message.value())
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
                self.known = True

    def close(self) -> None:
        """Disconnect."""
        close_within(self._consumer)
