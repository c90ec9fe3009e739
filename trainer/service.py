"""The consuming loop: fetch, learn a moment at a time, checkpoint; the commit comes last."""

import contextlib
import gc
import threading
import time
from typing import Any

import structlog

from streaming import deadletters
from streaming.checkpoints import Checkpoints, Claim
from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import Source, ensure_topics, producer, topic_ids
from streaming.merge import Merge
from streaming.settings import Settings
from streaming.signing import signing_key
from streaming.store import Store
from streaming.topics import CONTROL, STATUS
from streaming.usecase import UseCase
from trainer import stored
from trainer.learner import Learner
from trainer.saver import Saver
from trainer.seat import Seat
from trainer.start import first_offsets
from trainer.status import Reporter, learner_facts
from trainer.summary import summary

log = structlog.get_logger()

SHARD = "0"
_LEARN_S = 0.05  # learn for so long before looking at Kafka, the seat and the checkpoint again
_POLL_S = 0.05
_LAST_CHECKPOINT_S = 60.0


class Trainer:
    """One use case's trainer: waits for its seat, claims, learns until told to stop."""

    def __init__(self, settings: Settings, use_case: UseCase, stop: threading.Event) -> None:
        """Connect; `stop` ends the loop after the moment in hand."""
        self.use_case, self._settings, self._stop = use_case, settings, stop
        kafka = settings.kafka
        self._checkpoints = Checkpoints(Store(settings.store), use_case.name, SHARD, signing_key(settings))
        ensure_topics(kafka, [topic.name for topic in use_case.topics])
        ensure_topics(kafka, [CONTROL, STATUS], compacted=True)
        deadletters.ensure(kafka, list(use_case.topics))
        self._producer = producer(kafka)
        self._seat = Seat(kafka, use_case.name, settings.instance)
        self._source = Source(kafka, use_case.topics, group=f"headrace.{use_case.name}")
        self._saver = Saver(
            self._checkpoints,
            every_s=settings.checkpoint_every_s,
            deadline_s=settings.checkpoint_deadline_s,
            before_put=self._flush,
        )

    def run(self, *, until_end: bool = False, fresh: bool = False) -> dict[str, Any] | None:
        """Learn until told to stop, or to the end of the topics; then checkpoint. The summary, if it ever learned."""
        try:
            if not self._wait_for_seat():
                return None
            if until_end and not self._seat.training_wanted:
                raise HeadraceError(
                    f"training of {self.use_case.name} is off: `headrace training {self.use_case.name} on`"
                )
            self._begin(until_end=until_end, fresh=fresh)
            gc.freeze()  # River and what was loaded stay for good: no collection needs to walk them
            began, before = time.monotonic(), self.learner.state.counts.events
            self._loop()
            seconds, events = time.monotonic() - began, self.learner.state.counts.events - before
            log.info("stopping", use_case=self.use_case.name, events=events, seconds=round(seconds, 3))
            self._saver.finish(self._dump, self._merge.offsets, _LAST_CHECKPOINT_S)
            self._source.commit(self._merge.offsets)
            self._reporter.report(self._facts())
            return summary(self.learner, self._merge.offsets)
        finally:
            self._saver.close()
            self._source.close()
            self._seat.leave()
            self._producer.flush(5)

    def _wait_for_seat(self) -> bool:
        asked, said = time.monotonic(), False
        while not self._seat.ready and not self._stop.is_set():
            self._seat.poll(0.1)
            if not said and time.monotonic() - asked > 3:
                said = True
                log.info("ready, waiting: another copy learns", use_case=self.use_case.name)
        return not self._stop.is_set()

    def _begin(self, *, until_end: bool, fresh: bool) -> None:
        kafka, topics = self._settings.kafka, self.use_case.topics
        ids = topic_ids(kafka, [topic.name for topic in topics])
        offsets: dict[Any, int] = {}

        def prepare(state: Any) -> stored.Loaded:
            loaded = stored.load(self.use_case, state)
            offsets.update(first_offsets(self.use_case.name, self._source, loaded, ids))
            return loaded

        self._claim: Claim = self._checkpoints.claim(prepare, fresh=fresh)
        loaded: stored.Loaded | None = self._claim.state
        if loaded is None:
            offsets.update(first_offsets(self.use_case.name, self._source, None, ids))
        for sentence in [*self._claim.warnings, *(loaded.said if loaded else ())]:
            log.warning(sentence, use_case=self.use_case.name)
        self._ids = ids
        self.learner = Learner(self.use_case, loaded.state if loaded else None)
        self._merge = self._new_merge(offsets, loaded.clock if loaded else None)
        if loaded:
            self.learner.clock = loaded.clock or 0
            self._saver.saved_offsets = dict(self._merge.offsets)
        ends = {place: high for place, (_, high) in self._source.bounds(offsets).items()}
        self._stop_at = ends if until_end else None
        self._source.start(self._merge, self._stop_at)
        self._reporter = Reporter(self._producer, self.use_case.name, SHARD, self._claim.epoch)
        log.info(
            "learning",
            use_case=self.use_case.name,
            epoch=self._claim.epoch,
            learned=self.learner.state.counts.learned,
            goes_on="from its checkpoint" if loaded else "from nothing",
        )

    def _loop(self) -> None:
        """Fetch, learn, then save: a crash above the save replays what was not saved, and loses nothing."""
        paused = False
        while not self._stop.is_set() and not (self._stop_at is not None and self._merge.drained):
            self._seat.poll(0)
            if not self._seat.ready:
                self._without_seat()
                continue
            if paused != (not self._seat.training_wanted):
                paused = not paused
                self._switch(paused=paused)
            if paused or not self._learn():
                self._source.poll(_POLL_S)
            self._save()
            if self._reporter.due():
                self._reporter.report(self._facts(paused=paused))

    def _learn(self) -> bool:
        """Learn for a while; tells whether there is more to learn without fetching."""
        until = time.monotonic() + _LEARN_S
        while (now := time.monotonic()) < until:
            moment = self._merge.next(now)
            dead = self._merge.take_dead()
            self.learner.state.counts.dead += len(dead)
            if moment is not None:
                dead += self.learner.process(moment)
            for letter in dead:
                deadletters.send(self._producer, letter, self._claim.epoch)
            if moment is None:
                return False
        return True

    def _save(self) -> None:
        before = self._saver.saved_at
        self._saver.look()
        if self._saver.saved_at != before:
            with contextlib.suppress(Exception):  # a hint for lag monitors: never worth a word
                self._source.commit(self._saver.saved_offsets)
        if self._saver.due() and self._merge.offsets != self._saver.saved_offsets:
            self._saver.start(self._dump, dict(self._merge.offsets))

    def _without_seat(self) -> None:
        """Rest, while it is not ours to learn; another trainer's claim ends this one."""
        if self._seat.held:
            return
        log.warning("the seat is lost: learning rests", use_case=self.use_case.name)
        self._source.pause()
        while not self._seat.ready and not self._stop.is_set():
            self._seat.poll(0.2)
            self._source.poll(0)
            self._check_owner()
            self._saver.look()
        if self._stop.is_set():
            return
        self._check_owner()
        log.info("the seat is back: learning goes on", use_case=self.use_case.name)
        self._go_on()

    def _check_owner(self) -> None:
        with contextlib.suppress(Unavailable):  # the next put tells
            self._checkpoints.check_owner()

    def _switch(self, *, paused: bool) -> None:
        log.info("training is off" if paused else "training is on", use_case=self.use_case.name)
        if paused:
            self._source.pause()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Read again from the very next offset, with nothing read ahead."""
        self._merge = self._new_merge(self._merge.offsets, self._merge.clock)
        self._source.start(self._merge, self._stop_at)

    def _new_merge(self, offsets: Any, clock: int | None) -> Merge:
        settings = self._settings
        return Merge(
            self.use_case.topics, offsets, wait_s=settings.merge_wait_s, read_ahead=settings.read_ahead, clock=clock
        )

    def _dump(self) -> bytes:
        return stored.dump(self.learner.state, self._merge.clock, self._merge.offsets, self._ids)

    def _flush(self) -> None:
        if self._producer.flush(10):
            raise Unavailable(f"Kafka at {self._settings.kafka.bootstrap_servers} has not taken all dead letters")

    def _facts(self, *, paused: bool = False) -> dict[str, Any]:
        saved = self._saver.saved_at
        return {
            **learner_facts(self.learner),
            "state": "paused" if paused else "learning",
            "lag": self._source.lag(),
            "checkpoint_age_s": None if saved is None else round(time.monotonic() - saved, 1),
            "checkpoint": {
                "bytes": self._saver.size,
                "pause_s": self._saver.pause_s,
                "failures": self._saver.failures,
            },
            "training": {"wanted": self._seat.training_wanted, "applied": not paused},
        }
