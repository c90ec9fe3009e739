"""The seat: which copy of a trainer may learn, and what it is told, both through `headrace.control`.

Copies elect one among them through a consumer group on that one-partition topic: whoever holds the partition reads the
wanted states from it and learns. This is for liveness alone; what makes it safe is the claim in the object store.
"""

from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from streaming.control import apply, wants_training
from streaming.errors import HeadraceError
from streaming.kafka import client_config, close_within
from streaming.settings import Kafka
from streaming.topics import CONTROL


class Seat:
    """A place in the group; `poll` often, or the group gives it to another copy."""

    def __init__(self, kafka: Kafka, use_case: str, instance: str | None) -> None:
        """Join the group. A copy with a stable name takes its own place back at once after a restart."""
        self._use_case = use_case
        self._records: dict[str, Any] = {}
        self.held = False
        """This copy holds the seat."""
        self.lost = 0
        """How often it was taken away."""
        self._at_end = False
        own: dict[str, Any] = {
            "group.id": f"headrace.{use_case}.seat",
            "partition.assignment.strategy": "cooperative-sticky",  # a newcomer does not take the seat from its holder
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1500,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        if instance:
            own["group.instance.id"] = f"{instance}.{use_case}"
        self._consumer = Consumer(client_config(kafka, **own))
        self._consumer.subscribe(
            [CONTROL], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    @property
    def ready(self) -> bool:
        """The seat is held and the wanted states are read to their end."""
        return self.held and self._at_end

    @property
    def training_wanted(self) -> bool:
        """The switch of this use case."""
        return wants_training(self._records, self._use_case)

    def poll(self, timeout_s: float) -> None:
        """Stay in the group and hear what is new."""
        for message in self._consumer.consume(100, timeout_s):
            error = message.error()
            if error is None:
                apply(self._records, message.key(), message.value())
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
                self._at_end = True
            elif error.code() in (KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID):  # noqa: SLF001
                raise HeadraceError(
                    f"another trainer of {self._use_case} has the same HEADRACE_INSTANCE: each copy needs its own"
                )

    def leave(self) -> None:
        """Give the seat up."""
        close_within(self._consumer)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign([TopicPartition(p.topic, p.partition, OFFSET_BEGINNING) for p in partitions])
        if partitions:
            self.held, self._at_end = True, False

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if partitions:
            self.held = False
            self.lost += 1
        if not consumer.assignment():
            return
        consumer.incremental_unassign(partitions)
