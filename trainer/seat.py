"""Seats: which learners of a use case this copy may run, by election among the copies.

Copies elect through a consumer group: on the one-partition topic `headrace.control` for a use case with one learner,
on the partitions of its first topic for a sharded one. Nothing is read there. This is for liveness alone; what makes
it safe is the claim in the object store.
"""

from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import client_config, close_within, is_final
from streaming.kafka_statistics import statistics
from streaming.settings import Kafka

Hear = Callable[[list[str]], None]
_ANSWER_S = 10.0


class Seats:
    """A place in the group; `poll` often, or the group gives what is held to other copies."""

    def __init__(
        self, kafka: Kafka, use_case: str, topic: str, instance: str | None, *, give_back: Hear, lose: Hear
    ) -> None:
        """Join the group. A copy with a stable name takes its own places back at once after a restart.

        `give_back` hears of shards that another copy waits for, while they are still ours; `lose` of those that were
        given away because we were silent for too long. What they raise, `poll` raises.
        """
        self._use_case = use_case
        self._give_back, self._lose = give_back, lose
        self._failed: Exception | None = None
        self.held: frozenset[str] = frozenset()
        """The shards that are ours to learn: partitions of the topic."""
        own: dict[str, Any] = {
            "group.id": _group(use_case),
            "partition.assignment.strategy": "cooperative-sticky",  # a newcomer does not take a seat from its holder
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1500,
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 30_000,  # partitions that were added are found within that time
        }
        if instance:
            own["group.instance.id"] = f"{instance}.{use_case}"
        self._consumer = Consumer(client_config(kafka, **statistics("seat", member=True), **own))
        self._consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll(self, timeout_s: float) -> None:
        """Stay in the group and hear what is new."""
        for message in self._consumer.consume(10, timeout_s):
            error = message.error()
            if error and is_final(error):
                raise HeadraceError(
                    f"Kafka has given the place of this trainer of {self._use_case} to another one with the same "
                    "HEADRACE_INSTANCE: each needs its own; where there is no other the broker hung, so start it again"
                )
        if self._failed is not None:
            raise self._failed

    def leave(self) -> None:
        """Give the seats up."""
        close_within(self._consumer)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        parts = [TopicPartition(one.topic, one.partition, OFFSET_END) for one in partitions]
        consumer.incremental_assign(parts)
        if parts:
            consumer.pause(parts)
        self.held |= _names(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._leave(consumer, partitions, self._give_back)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._leave(consumer, partitions, self._lose)

    def _leave(self, consumer: Consumer, partitions: list[TopicPartition], hear: Hear) -> None:
        try:
            hear(sorted(_names(partitions)))
        except Exception as error:  # noqa: BLE001  # the client's thread of control is not the place: `poll` raises it
            self._failed = error
        self.held -= _names(partitions)
        if consumer.assignment():
            consumer.incremental_unassign(partitions)


def vacant(client: AdminClient, use_case: str) -> bool:
    """Whether no copy of a trainer stands for a seat; one that was killed is counted until its session is over."""
    try:
        (found,) = client.describe_consumer_groups([_group(use_case)], request_timeout=_ANSWER_S).values()
        return not found.result().members
    except KafkaException as error:
        raise Unavailable(f"Kafka does not tell who trains {use_case} ({error.args[0].name()})") from None


def occupied(use_case: str) -> str:
    """The sentence for who wants to be alone."""
    return (
        f"a trainer of {use_case} is running: stop it, `headrace replay {use_case}` puts another learner in its place"
    )


def _group(use_case: str) -> str:
    return f"headrace.{use_case}.seat"


def _names(partitions: Iterable[TopicPartition]) -> frozenset[str]:
    return frozenset(str(one.partition) for one in partitions)
