"""Snapshots of the champion, as often as it learns and a tenth of a core allows, for serving to follow."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from confluent_kafka import Producer

from streaming.control import read_latest
from streaming.errors import HeadraceError
from streaming.failpoints import failpoint
from streaming.scoring import metric_name
from streaming.settings import Kafka
from streaming.snapshots import Pointer, seal_model
from streaming.store import Store
from streaming.topics import MODELS
from trainer.candidates import Candidate
from trainer.fork import Dump, Failed
from trainer.saver import SHARE, Offsets

log = structlog.get_logger()

KEPT = 10
_EVERY_S = 0.5
_BEHIND_S = 2.0  # while it catches up, nobody waits for the last half second
_DEADLINE_S = 60.0
_CHEAP_S = 0.01  # a dump that is done in ten milliseconds is not worth a fork, which takes as long


@dataclass(frozen=True)
class Progress:
    """How far the learner is."""

    learned: int
    clock: str | None
    """Event time, ISO 8601."""
    offsets: Offsets
    written_s: float | None = None
    """When the newest record that was used had come to Kafka, seconds since 1970."""


class Publisher:
    """Publishes the champion's snapshots of one shard: the object first, then the pointer."""

    def __init__(self, kafka: Kafka, store: Store, producer: Producer, key: bytes, who: tuple[str, str, int]) -> None:
        """`who` is use case, shard, epoch."""
        self._kafka, self._store, self._producer, self._key = kafka, store, producer, key
        self._use_case, self._shard, self._epoch = who
        self._n = 0
        self._learned = -1
        self._cost_s = _DEADLINE_S  # not known yet: fork first
        self._next = self._began = 0.0
        self._dump: tuple[Pointer, Dump] | None = None
        self._offsets: dict[str, Offsets] = {}
        self._upload: Future[None] | None = None
        self._uploader = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._away = False
        self.newest: Pointer | None = None
        """The last one whose pointer was published."""
        self.published = self.failures = self.size = 0
        """Snapshots since the start, those that were not made or not published, and the bytes of the newest."""

    def look(self, progress: Progress, champion: Callable[[], Candidate | None], *, behind: bool) -> None:
        """Go on with the snapshot that is on its way, or begin one when something was learned; never waits."""
        if self._upload is not None:
            if self._upload.done():
                self._upload.result()
                self._upload = None
        elif self._dump is not None:
            self._look_at_child(*self._dump)
        elif progress.learned != self._learned and time.monotonic() >= self._next + (_BEHIND_S if behind else 0):
            candidate = champion()
            if candidate is not None:
                self._learned = progress.learned
                pointer = self._point(candidate, progress)
                self._offsets = {pointer.snapshot: progress.offsets, **dict(list(self._offsets.items())[:1])}
                self._begin(pointer, candidate.model)

    def close(self) -> None:
        """Give up what is on its way."""
        if self._dump is not None:
            self._dump[1].stop()
        self._uploader.shutdown(wait=True, cancel_futures=True)

    def offsets_of(self, pointer: Pointer) -> Offsets:
        """The offsets that the learner had consumed when this snapshot, the newest or the one before, was taken."""
        return self._offsets.get(pointer.snapshot, {})

    def _point(self, candidate: Candidate, progress: Progress) -> Pointer:
        self._n += 1
        values, metric = candidate.scores.values(), metric_name(candidate.scores.life[0])
        return Pointer(
            use_case=self._use_case,
            shard=self._shard,
            epoch=self._epoch,
            n=self._n,
            candidate=candidate.name,
            learned=progress.learned,
            event_time=progress.clock,
            metric=metric,
            value=values[metric],
            rolling=values[f"rolling_{metric}"],
            time=datetime.now(UTC).isoformat(),
            written=progress.written_s,
        )

    def _begin(self, pointer: Pointer, model: Any) -> None:
        self._began = time.monotonic()
        if self._cost_s > _CHEAP_S:
            key = self._key
            self._dump = pointer, Dump(lambda: seal_model(pointer, model, key), _DEADLINE_S)
            return
        started = time.monotonic()
        sealed = seal_model(pointer, model, self._key)
        self._send(pointer, sealed, time.monotonic() - started)

    def _look_at_child(self, pointer: Pointer, dump: Dump) -> None:
        try:
            sealed = dump.result()
        except Failed as error:
            self._dump = None
            self.failures += 1
            self._next = time.monotonic() + _EVERY_S
            self._say_away("snapshot failed, the next one follows", str(error))
            return
        if sealed is not None:
            self._dump = None
            self._send(pointer, sealed, dump.busy_s)

    def _send(self, pointer: Pointer, sealed: bytes, cost_s: float) -> None:
        self._cost_s = cost_s
        self._next = self._began + max(_EVERY_S, cost_s * SHARE)
        self._upload = self._uploader.submit(self._put, pointer, sealed)

    def _put(self, pointer: Pointer, sealed: bytes) -> None:
        """In the uploader's thread. A snapshot that cannot be stored is left out: the next one is newer anyway."""
        try:
            with failpoint("put-snapshot"):
                self._store.put_new(pointer.object, sealed)
            with failpoint("publish-pointer"):
                self._producer.produce(MODELS, key=pointer.key, value=pointer.encode())
                self._producer.poll(0)
            first, self.newest = self.newest is None, pointer
            self.published, self.size = self.published + 1, len(sealed)
            if first:
                self._bury_lower_epochs()
            if first or pointer.n % KEPT == 0:
                self._prune()
        except (HeadraceError, BufferError) as error:
            self.failures += 1
            self._say_away("snapshot not published, the next one follows", str(error))
        else:
            if self._away:
                log.info("snapshots are published again", use_case=self._use_case, shard=self._shard)
            self._away = False

    def _say_away(self, what: str, reason: str) -> None:
        """Once, until one is published."""
        if not self._away:
            log.warning(what, use_case=self._use_case, shard=self._shard, reason=reason)
        self._away = True

    def _bury_lower_epochs(self) -> None:
        """Remove the pointers of trainers that came before: their keys would stay on the topic for ever."""
        for key in read_latest(self._kafka, MODELS):
            use_case, shard, epoch = key.rsplit("/", 2) if key.count("/") == 2 else ("", "", "")
            if (use_case, shard) == (self._use_case, self._shard) and epoch.isdigit() and int(epoch) < self._epoch:
                self._producer.produce(MODELS, key=key, value=None)

    def _prune(self) -> None:
        """Keep the last ten objects, whoever wrote them."""
        folder = f"models/{self._use_case}/{self._shard}"
        names = [name for name in self._store.names(folder) if name.endswith(".model")]
        for name in sorted(names, key=_order)[:-KEPT]:
            self._store.delete(f"{folder}/{name}")


def _order(name: str) -> tuple[int, int]:
    epoch, _, n = name.removesuffix(".model").partition("-")
    return int(epoch), int(n)
