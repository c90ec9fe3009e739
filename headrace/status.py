"""What trainers and the archive tell of themselves on the topic `headrace.status`, the newest record of each."""

import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from streaming.kafka import client_config
from streaming.settings import Kafka
from streaming.topics import STATUS

_ARCHIVE = "archive/"
"""What the keys of the archive's records begin with."""
_SMOOTH = 0.3
"""The weight of the last second in the events a second that are shown."""
_TAKEOVER_S = 10.0
"""A lower epoch replaces a higher one that has said nothing for so long: its store was emptied."""


class Training(BaseModel, frozen=True):
    """The switch: what is wanted, and what the trainer does."""

    wanted: bool = True
    applied: bool = True


class Status(BaseModel, frozen=True, extra="ignore"):
    """One trainer's own words."""

    use_case: str
    shard: str = "0"
    epoch: int = 0
    state: str = ""
    events: int = 0
    learned: int = 0
    questions: int = 0
    answers: int = 0
    pending: int = 0
    expired: int = 0
    late: int = 0
    duplicates: int = 0
    dead: int = 0
    champion: str | None = None
    metric: str | None = None
    candidates: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    lag: int | None = None
    event_time: str | None = None
    checkpoint_age_s: float | None = None
    training: Training = Field(default_factory=Training)
    snapshot: str | None = None
    """The newest model, `<epoch>-<n>`."""
    snapshot_time: AwareDatetime | None = None


class Archived(BaseModel, frozen=True, extra="ignore"):
    """The archive's words about one topic."""

    topic: str
    rows: int = 0
    lag: int | None = None
    dead: int = 0
    state: str = ""


class Record(NamedTuple):
    """One record of the topic: its key, its value, and when it was written (seconds since 1970)."""

    key: str
    value: bytes | None
    written: float


@dataclass(frozen=True)
class Heard:
    """A status, when it was written, and how many events a second passed lately."""

    status: Status
    written: float
    events_per_s: float | None = None


@dataclass(frozen=True)
class HeardArchive:
    """What the archive said of a topic, and when it was written."""

    archived: Archived
    written: float


class Newest:
    """The newest status by key; a learner that was overtaken is not heard any more."""

    def __init__(self) -> None:
        """Begin with none."""
        self.by_key: dict[str, Heard] = {}
        self._archives: dict[str, HeardArchive] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Use records in the order of the topic; what is no status is left out."""
        for record in records:
            if record.value is None:
                self.by_key.pop(record.key, None)
                self._archives.pop(record.key, None)
                continue
            with suppress(ValidationError):
                if record.key.startswith(_ARCHIVE):
                    archived = Archived.model_validate_json(record.value)
                    self._archives[record.key] = HeardArchive(archived, record.written)
                else:
                    self._take_status(record.key, Status.model_validate_json(record.value), record.written)

    def heard(self) -> list[Heard]:
        """All learners, in the order of their keys."""
        return [self.by_key[key] for key in sorted(self.by_key)]

    def archives(self) -> list[HeardArchive]:
        """All topics of the archive, in the order of their names."""
        return [self._archives[key] for key in sorted(self._archives)]

    def _take_status(self, key: str, status: Status, written: float) -> None:
        before = self.by_key.get(key)
        if before is None or _replaces(status, written, before):
            self.by_key[key] = Heard(status, written, _rate(status, written, before))


def _replaces(status: Status, written: float, before: Heard) -> bool:
    return status.epoch >= before.status.epoch or written - before.written > _TAKEOVER_S


def _rate(status: Status, written: float, before: Heard | None) -> float | None:
    """Events a second, from one record of the same claim to the next, smoothed."""
    if before is None or before.status.epoch != status.epoch or written <= before.written:
        return None
    rate = max(0, status.events - before.status.events) / (written - before.written)
    return rate if before.events_per_s is None else _SMOOTH * rate + (1 - _SMOOTH) * before.events_per_s


class StatusReader:
    """Follows the topic from its beginning; a topic that does not exist yet is looked for again at each read."""

    def __init__(self, kafka: Kafka) -> None:
        """Connect; nothing is read yet."""
        own = {"group.id": f"headrace-status-{uuid.uuid4()}", "enable.auto.commit": False}
        self._consumer = Consumer(client_config(kafka, **own))
        self._newest = Newest()
        self._assigned = False

    def read(self, timeout_s: float) -> Newest:
        """Everything that has come since, taking at most about this long."""
        deadline = time.monotonic() + timeout_s
        if not self._assigned:
            self._assign(timeout_s)
        while self._assigned and (left := deadline - time.monotonic()) > 0:
            messages = self._consumer.consume(500, min(left, 0.2))
            self._newest.take(
                Record((m.key() or b"").decode(errors="replace"), m.value(), m.timestamp()[1] / 1000)
                for m in messages
                if m.error() is None
            )
            if not messages:
                break
        return self._newest

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _assign(self, timeout_s: float) -> None:
        try:
            topic = self._consumer.list_topics(STATUS, timeout=timeout_s).topics[STATUS]
        except KafkaException:
            return
        if topic.error is None and topic.partitions:
            self._consumer.assign([TopicPartition(STATUS, part, OFFSET_BEGINNING) for part in topic.partitions])
            self._assigned = True
