"""What must be true at the end, whatever was killed: held against what Kafka holds, record by record."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import polars as pl
from confluent_kafka import Message

from streaming.archive import table_url
from streaming.checkpoints import Checkpoints
from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.merge import Moment, Place, Record
from streaming.store import Store
from streaming.usecase import UseCase
from tests.soak.parcels import ARRIVED, SENT, TOO_FAR_KM, WORLD, Parcels
from tests.soak.writer import Written
from tests.support import read_all
from trainer import stored
from trainer.learner import Learner
from trainer.summary import summary

TOPICS = (ARRIVED, SENT)


class Mismatch(NamedTuple):
    """How far something is from what it should be."""

    lost: int
    doubled: int
    changed: int = 0


@dataclass
class Log:
    """What Kafka holds of the parcels' topics."""

    written: Written
    records: dict[int, Record]
    """Those that can be decoded, by the number in the event."""
    broken: list[str]
    """The places of those that cannot."""

    @classmethod
    def read(cls, bootstrap: str) -> "Log":
        """Read it to its end."""
        log = cls({}, {}, [])
        for rank, topic in enumerate(TOPICS):
            codec = Codec(topic)
            for message in read_all(bootstrap, topic.name):
                log._take(message, codec, rank)
        return log

    def _take(self, message: Message, codec: Codec, rank: int) -> None:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        key, value = message.key(), message.value()
        self.written[topic, partition, offset] = (key, value)
        try:
            event = codec.decode(value)
        except BadRecord:
            self.broken.append(f"{topic}/{partition}/{offset}")
            return
        record = Record(codec.time_us(event), rank, key or b"", partition, offset, topic, event, value or b"", 0.0)
        self.records[event["number"]] = record

    def letters(self) -> list[str]:
        """The keys that the dead letters must have."""
        refused = [r for r in self.records.values() if r.event.get("km", 0) > TOO_FAR_KM]
        return sorted([*self.broken, *(f"{r.topic}/{r.partition}/{r.offset}/{Parcels.name}" for r in refused)])

    def ends(self) -> dict[Place, int]:
        """The next offset of every partition that holds something."""
        ends: dict[Place, int] = {}
        for topic, partition, offset in self.written:
            place = Place(topic, partition)
            ends[place] = max(ends.get(place, 0), offset + 1)
        return ends


def archive(log: Log, store: str, options: dict[str, str] | None = None) -> Mismatch:
    """The archive against Kafka: each good record once, with the fields that were written."""
    total = Mismatch(0, 0)
    for topic in TOPICS:
        wanted = {(r.partition, r.offset): r.event for r in log.records.values() if r.topic == topic.name}
        rows = pl.scan_delta(table_url(store, topic.name), storage_options=options).collect()
        found = Counter(zip(rows["_partition"].to_list(), rows["_offset"].to_list(), strict=True))
        fields = rows.select(*topic.schema.__annotations__, "_partition", "_offset").to_dicts()
        changed = sum(wanted.get((row.pop("_partition"), row.pop("_offset")), row) != row for row in fields)
        doubled = sum(count - 1 for count in found.values()) + len(found.keys() - wanted.keys())
        total = Mismatch(
            total.lost + len(wanted.keys() - found.keys()), total.doubled + doubled, total.changed + changed
        )
    return total


@dataclass
class Kept:
    """A learner as its newest checkpoint has it."""

    number: int
    learner: Learner
    offsets: dict[Place, int]

    @property
    def order(self) -> list[int]:
        """The events that it has used, in their order, as its own state remembers them."""
        profile = self.learner.state.profiles.get(WORLD)
        return [] if profile is None else list(profile.heard)


def newest_checkpoint(use_case: UseCase, store: str, key: str) -> Kept | None:
    """Load it as a starting trainer would; None while there is none."""
    row = Checkpoints(Store(store), use_case.name, "0", key.encode())
    _, found, _ = row._newest(row._numbers())
    if found is None:
        return None
    loaded = stored.load(use_case, found)
    learner = Learner(use_case, loaded.state)
    learner.clock = loaded.clock or 0
    return Kept(found.number, learner, loaded.offsets)


def relearn(log: Log, order: Iterable[int]) -> Learner:
    """The pure learner, fed with these events in this order, one at a time."""
    learner = Learner(Parcels())
    clock: int | None = None
    for number in order:
        record = log.records[number]
        late = clock is not None and record.time < clock
        clock = record.time if clock is None else max(clock, record.time)
        learner.process(Moment(record.time, late, [record]))
    learner.state.counts.dead += len(log.broken)
    return learner


def facts(learner: Learner) -> dict[str, Any]:
    """Counts, metrics, champion, and what every candidate answers on a fixed sample."""
    known = summary([(learner, {})])
    del known["offsets"]
    dice = random.Random(1)
    sample = [{"km": dice.uniform(0, 9), "express": float(dice.random() < 0.3)} for _ in range(50)]
    candidates = learner.state.candidates
    known["predictions"] = {name: [c.model.predict_one(x) for x in sample] for name, c in candidates.items()}
    return known


def learning(log: Log, order: Sequence[int]) -> Mismatch:
    """The events that a learner used against those that Kafka holds: each good one once."""
    used = Counter(order)
    return Mismatch(len(log.records.keys() - used.keys()), sum(count - 1 for count in used.values()))


@dataclass
class History:
    """Orders as they were committed: a later one must begin with each earlier one."""

    seen: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Checkpoint, length and digest of the order."""

    def note(self, kept: Kept | None) -> None:
        """Remember what a checkpoint holds."""
        if kept is not None:
            self.seen.append((kept.number, len(kept.order), _digest(kept.order)))

    def broken(self, order: list[int]) -> list[int]:
        """The checkpoints whose order is no beginning of this one."""
        return [number for number, length, digest in self.seen if _digest(order[:length]) != digest]


def _digest(order: list[int]) -> bytes:
    return hashlib.sha256(orjson.dumps(order)).digest()


def letters(bootstrap: str) -> list[str]:
    """The keys of all dead letters: the same place may have been written more than once."""
    return sorted({(m.key() or b"").decode() for topic in TOPICS for m in read_all(bootstrap, topic.dead)})
