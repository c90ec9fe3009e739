"""One trainer process from its start to its end: connect, take seats, learn in turns, leave."""

import contextlib
import gc
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from streaming import deadletters, metrics
from streaming.checkpoints import Checkpoints, Stored
from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import admin, ensure_topics, producer, topic_ids
from streaming.kafka_statistics import statistics
from streaming.merge import Merge, Place
from streaming.monitor import Pulse
from streaming.settings import Settings
from streaming.signing import signing_key
from streaming.source import Source
from streaming.store import Store
from streaming.topics import AUDIT, CONTROL, MODELS, STATUS
from streaming.usecase import UseCase
from trainer import stored
from trainer.added import Added
from trainer.joining import Joining
from trainer.learner import Learner
from trainer.outputs import Outputs
from trainer.saver import Saver
from trainer.seat import Seats, occupied
from trainer.shard import Reading, Shard
from trainer.start import Wanted, check_topics, first_offsets
from trainer.summary import summary
from trainer.switch import Switch

log = structlog.get_logger()

_POLL_S = 0.02
_WAIT_S = 0.1
_AGAIN_S = 1.0


class Trainer:
    """Learns one use case: all of it, or the shards of it for which this copy has the seats."""

    def __init__(
        self,
        settings: Settings,
        use_case: UseCase,
        stop: threading.Event,
        *,
        open_source: Callable[..., Source] = Source,
        seat_within_s: float | None = None,
    ) -> None:
        """Connect; `stop` ends the learning after the moment in hand.

        `open_source` is called as `Source` is. A seat that is not ours within `seat_within_s` is an error; None: wait.
        """
        self._settings, self._use_case, self._stop = settings, use_case, stop
        self._open_source, self._seat_within_s = open_source, seat_within_s
        kafka = settings.kafka
        self._store, self._key = Store(settings.store), signing_key(settings)
        ensure_topics(kafka, [topic.name for topic in use_case.topics])
        ensure_topics(kafka, [CONTROL, STATUS, MODELS, AUDIT, *Outputs.topics(use_case)], compacted=True)
        deadletters.ensure(kafka, list(use_case.topics))
        self._producer = producer(kafka, **statistics("writer"))
        self._switch = Switch(kafka, use_case.name)
        self._shards: dict[str, Shard] = {}
        metrics.SEATS.labels(use_case.name).set(0)
        self.pulse = Pulse()
        """Whether the loop turns."""
        self._begun: set[str] = set()
        self._seats = Seats(
            kafka,
            use_case.name,
            use_case.topics[0].name if use_case.sharded else CONTROL,
            settings.instance,
            give_back=self._give_back,
            lose=self._lose,
        )

    def run(self, *, until_end: bool = False, fresh: bool = False) -> dict[str, Any] | None:
        """Learn until told to stop, or to the end of the topics; then checkpoint. The summary, if it ever learned."""
        name = self._use_case.name
        try:
            if not self._wait_for_seat():
                return None
            if until_end and not self._switch.on:
                raise HeadraceError(f"training of {name} is off: `headrace training {name} on` turns it on")
            self._take_up(until_end=until_end, fresh=fresh)
            began, before = time.monotonic(), self._events()
            while not self._stop.is_set() and not self._over():
                self._turn(fresh=fresh, until_end=until_end)
            seconds, events = time.monotonic() - began, self._events() - before
            log.info("stopping", use_case=name, events=events, seconds=round(seconds, 3))
            for shard in self._shards.values():
                shard.conclude()
            learned = [(shard.learner, shard.reading.merge.offsets) for shard in self._shards.values()]
            return summary(learned) if learned else None
        finally:
            self._close()

    def _wait_for_seat(self) -> bool:
        asked, said = time.monotonic(), False
        while not (self._seats.held and self._switch.known) and not self._stop.is_set():
            self.pulse.beat()
            self._seats.poll(_WAIT_S / 2)
            self._switch.poll(_WAIT_S / 2)
            waited = time.monotonic() - asked
            if self._seat_within_s is not None and waited > self._seat_within_s:
                raise HeadraceError(occupied(self._use_case.name))
            if not said and waited > 3:
                said = True
                log.info("ready, waiting: another copy learns", use_case=self._use_case.name)
        return not self._stop.is_set()

    def _turn(self, *, fresh: bool, until_end: bool) -> None:
        """A turn for every shard that is ours by now."""
        self.pulse.beat()
        self._seats.poll(0)
        self._switch.poll(0)
        if self._seats.held != self._shards.keys():
            self._take_up_again(fresh=fresh, until_end=until_end)
        metrics.SEATS.labels(self._use_case.name).set(len(self._shards))
        wait_s = _POLL_S / max(1, len(self._shards))
        for name, shard in self._shards.items():
            with bound_contextvars(shard=name) if self._use_case.sharded else contextlib.nullcontext():
                shard.turn(wait_s, training=self._switch.on)
        if not self._shards:
            self._seats.poll(_WAIT_S)

    def _take_up(self, *, until_end: bool, fresh: bool) -> None:
        """Begin the shards that have become ours, one after the other: the seats may be called back in between."""
        for name in sorted(self._seats.held - self._shards.keys()):
            if name not in self._seats.held:
                continue
            self._shards[name] = self._begin(name, until_end=until_end, fresh=fresh and name not in self._begun)
            self._begun.add(name)
            # River and what was loaded stay for good: no collection needs to walk them. And few cycles are made here.
            gc.freeze()
            gc.set_threshold(50_000, 10, 10)
            self._seats.poll(0)

    def _take_up_again(self, *, until_end: bool, fresh: bool) -> None:
        """The same while others go on: a store or a Kafka that is away is waited for."""
        try:
            self._take_up(until_end=until_end, fresh=fresh)
        except Unavailable as error:
            log.warning("cannot begin, tried again", use_case=self._use_case.name, reason=str(error))
            self._seats.poll(_AGAIN_S)

    def _give_back(self, names: list[str]) -> None:
        """Another copy waits for these, and goes on from our last checkpoint."""
        for name in names:
            if name in self._shards:
                shard = self._shards.pop(name)
                try:
                    shard.conclude()
                except Unavailable as error:
                    log.warning("given back without a last checkpoint", use_case=self._use_case.name, reason=str(error))
                finally:
                    shard.close()

    def _lose(self, names: list[str]) -> None:
        """These are not ours any more, and what was learned since their checkpoints is learned again by their owner.

        Where another copy has claimed already, this one was away for long: it ends.
        """
        for name in names:
            if name in self._shards:
                log.warning("the seat is lost: learning rests", use_case=self._use_case.name, shard=name)
                shard = self._shards.pop(name)
                try:
                    shard.check_owner()
                finally:
                    shard.close()

    def _begin(self, name: str, *, until_end: bool, fresh: bool) -> Shard:
        """Claim the newest state, fit everything to it, and say so."""
        use_case, kafka = self._use_case, self._settings.kafka
        checkpoints = Checkpoints(self._store, use_case.name, name, self._key)
        only = int(name) if use_case.sharded else None
        group, reader = f"headrace.{use_case.name}", use_case.name
        source = self._open_source(kafka, use_case.topics, group=group, reader=reader, only=only)
        try:
            wanted = Wanted(use_case, source, topic_ids(kafka, [topic.name for topic in use_case.topics]))
            claim = checkpoints.claim(partial(self._fit, name, wanted), fresh=fresh)
            loaded, offsets = claim.state or (None, first_offsets(wanted, None))
        except BaseException:  # whatever it is: nobody else closes it
            source.close()
            raise
        for sentence in claim.warnings:
            log.warning("a checkpoint is passed over", use_case=use_case.name, reason=sentence)
        for sentence in loaded.said if loaded else ():
            log.warning("the checkpoint was fitted to the use case", use_case=use_case.name, reason=sentence)
        learner = Learner(use_case, loaded.state if loaded else None, self._settings.champion)
        letters = deadletters.Outbox(self._producer, claim.epoch)
        saver = self._saver(checkpoints, letters, wanted)
        clock = loaded.clock if loaded else None
        if loaded:
            learner.clock = loaded.clock or 0
            saver.saved_offsets, saver.saved_learned = offsets, learner.state.counts.learned
        ends = {place: high for place, (_, high) in source.bounds(offsets).items()} if until_end else None
        partitions = source.partitions()[use_case.topics[0].name] if use_case.sharded else None
        reading = Reading(source, self._merge(offsets, clock), self._merge, wanted.topic_ids, ends, partitions)
        outputs = Outputs(
            self._settings, self._store, self._producer, self._key, learner, claim, checkpoints.check_owner
        )
        reading.begin()
        facts: dict[str, Any] = {"shard": name} if use_case.sharded else {}
        facts |= {"epoch": claim.epoch, "learned": learner.state.counts.learned}
        log.info("learning", use_case=use_case.name, **facts, goes_on_from="its checkpoint" if loaded else "nothing")
        added = None if use_case.sharded or until_end else Added(source.places)
        return Shard(learner, reading, saver, outputs, letters, added)

    def _fit(self, name: str, wanted: Wanted, state: Stored) -> tuple[stored.Loaded, dict[Place, int]]:
        """A stored state, made that of today's use case, and the offsets at which it goes on."""
        loaded = stored.load(self._use_case, state)
        offsets = first_offsets(wanted, loaded)
        Joining(self._settings, self._store, self._use_case, name, self._key).join(state, loaded, self._beat)
        return loaded, offsets

    def _beat(self) -> None:
        """Keep the seats while something takes long."""
        self.pulse.beat()
        self._seats.poll(0)
        if self._stop.is_set():
            raise HeadraceError("the trainer was stopped before")

    def _saver(self, checkpoints: Checkpoints, letters: deadletters.Outbox, wanted: Wanted) -> Saver:
        kafka = self._settings.kafka
        client = admin(kafka)

        def prepare() -> None:
            if not letters.delivered(10):
                raise Unavailable(f"Kafka at {kafka.bootstrap_servers} has not taken all dead letters")
            with contextlib.suppress(Unavailable):  # Kafka is away: the next checkpoint asks again, or the next start
                check_topics(wanted.use_case, wanted.topic_ids, topic_ids(kafka, wanted.topic_ids, client))

        settings = self._settings
        return Saver(
            checkpoints,
            every_s=settings.checkpoint_every_s,
            deadline_s=settings.checkpoint_deadline_s,
            before_put=prepare,
        )

    def _merge(self, offsets: dict[Place, int], clock: int | None) -> Merge:
        settings = self._settings
        return Merge(
            self._use_case.topics, offsets, wait_s=settings.merge_wait_s, read_ahead=settings.read_ahead, clock=clock
        )

    def _over(self) -> bool:
        """There is nothing left to read in any shard."""
        return bool(self._shards) and all(shard.reading.over for shard in self._shards.values())

    def _events(self) -> int:
        return sum(shard.learner.state.counts.events for shard in self._shards.values())

    def _close(self) -> None:
        while self._shards:
            self._shards.popitem()[1].close()
        self._switch.close()
        self._seats.leave()
        self._producer.flush(5)
