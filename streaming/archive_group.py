"""The archive's consumer group: which partitions are ours, reading them from explicit offsets, what Kafka holds.

The protocol is the eager one: at a change everybody gives everything back and begins anew from the tables. Offsets are
assigned, never sought or taken from the group, and not in the group's callbacks: the tables may take their time to
answer, so a callback only notes what is ours, and `read` follows when the offsets are known.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streaming.errors import HeadraceError, Unavailable
from streaming.failpoints import failpoint
from streaming.kafka import client_config, close_within, is_final
from streaming.kafka_statistics import statistics
from streaming.merge import Place
from streaming.patience import Patience
from streaming.settings import Kafka

NAME = "headrace.archive"
Bounds = tuple[int, int]
"""The first offset that Kafka keeps and the next one to be written."""
_MOST = 2_000
_POLL_S = 0.05
_ANSWER_S = 10.0


@dataclass
class Fetched:
    """What one poll has brought."""

    records: dict[tuple[str, int], list[Message]] = field(default_factory=lambda: defaultdict(list))
    ended: dict[Place, int] = field(default_factory=dict)
    """Partitions that have nothing at this offset yet."""
    gone: list[Place] = field(default_factory=list)
    """Partitions whose next offset Kafka does not have."""


class Group:
    """This copy's membership; `give_back` is called while revoked partitions are still ours."""

    def __init__(
        self, kafka: Kafka, topics: Iterable[str], instance: str | None, *, give_back: Callable[[], None]
    ) -> None:
        """Connect; a copy with a stable name takes its own place back at once after a restart."""
        self.assigned: list[Place] | None = None
        """What has become ours and is not read yet."""
        self.lost = False
        """What was ours was given away without asking: we were silent for too long."""
        self._topics = list(topics)
        self._give_back = give_back
        self._patience = Patience()
        self._address = kafka.bootstrap_servers
        self._consumer = Consumer(client_config(kafka, error_cb=self._hear, **_own(instance)))

    def join(self) -> None:
        """Become a member."""
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def leave(self) -> None:
        """Give everything back, and disconnect; where the broker has given our place away that never ends by itself."""
        close_within(self._consumer)

    def read(self, offsets: dict[Place, int]) -> None:
        """Read our partitions from these offsets on."""
        parts = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        self._consumer.assign(parts)
        self._consumer.resume(parts)  # a pause outlives an assignment
        self.assigned = None

    def begin_again(self, places: list[Place]) -> None:
        """Read nothing until `read` is called for these."""
        self._consumer.assign([])
        self.assigned = places

    def hold(self, places: Iterable[Place]) -> None:
        """Fetch no more of these."""
        self._consumer.pause([TopicPartition(*place) for place in places])

    def go_on(self, places: Iterable[Place]) -> None:
        """Fetch these again."""
        self._consumer.resume([TopicPartition(*place) for place in places])

    def poll(self) -> Fetched:
        """Stay a member, and fetch."""
        fetched = Fetched()
        records = fetched.records
        with failpoint("poll-archive"):
            messages = self._consumer.consume(_MOST, _POLL_S)
        for message in messages:
            error = message.error()
            if error is None:
                records[message.topic(), message.partition()].append(message)  # type: ignore[index]  # records have both
            else:
                self._take_error(fetched, message, error)
        if records:
            self._patience.succeeded()
        return fetched

    def tell(self, offsets: dict[Place, int]) -> None:
        """Tell Kafka where we are: a hint for lag monitors, never the truth."""
        with contextlib.suppress(KafkaException), failpoint("commit-archived"):
            self._consumer.commit(offsets=[TopicPartition(*place, at) for place, at in offsets.items()])

    def places(self) -> list[Place]:
        """Every partition of the topics, those of other copies included."""
        try:
            found = self._consumer.list_topics(timeout=_ANSWER_S).topics
            return [Place(name, part) for name in self._topics for part in sorted(found[name].partitions)]
        except (KafkaException, KeyError) as error:
            raise Unavailable(f"Kafka at {self._address} does not tell its partitions ({error})") from None

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """What Kafka holds of each."""
        return {place: self.bound(place, cached=False) for place in places}

    def bound(self, place: Place, *, cached: bool, timeout_s: float = _ANSWER_S) -> Bounds:
        """What Kafka holds of one partition: asked, or (of one that is read) known from the last fetch."""
        try:
            found: Bounds = self._consumer.get_watermark_offsets(
                TopicPartition(*place), timeout=timeout_s, cached=cached
            )
        except KafkaException as error:
            raise Unavailable(f"Kafka at {self._address} does not tell its offsets ({error.args[0].str()})") from None
        return found

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign([])
        self.assigned = [Place(part.topic, part.partition) for part in partitions]

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._give_back()
        self.assigned = None

    def _on_lost(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.lost, self.assigned = True, None

    def _take_error(self, fetched: Fetched, message: Message, error: KafkaError) -> None:
        code, place = error.code(), Place(message.topic() or "", message.partition() or 0)
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
            fetched.ended[place] = message.offset() or 0
        elif code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            fetched.gone.append(place)
        elif is_final(error):
            raise HeadraceError(
                "Kafka has given the place of this archive to another one with the same HEADRACE_INSTANCE: each needs "
                "its own; where there is no other the broker hung, so start it again"
            )
        elif code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise HeadraceError(f"Kafka refuses to go on: {error.str()}")
        # Everything else (a broker away, a leader moving) librdkafka mends by itself.

    def _hear(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._patience.failed(Unavailable(f"Kafka at {self._address} does not answer"))


def _own(instance: str | None) -> dict[str, Any]:
    static = {"group.instance.id": f"{instance}.archive"} if instance else {}
    return {
        "group.id": NAME,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1500,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "topic.metadata.refresh.interval.ms": 30_000,  # partitions that were added are found within that time
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
        "fetch.queue.backoff.ms": 5,  # a full queue is emptied within that time: a second (the default) would be idle
        "queued.max.messages.kbytes": 8192,
        "max.partition.fetch.bytes": 400_000,
        **statistics("archive", member=True),
        **static,
    }
