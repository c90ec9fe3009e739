"""One trainer from its start to its end: connect, wait for the seat, claim, learn, leave."""

import gc
import threading
import time
from typing import Any

import structlog

from streaming import deadletters
from streaming.checkpoints import Checkpoints, Stored
from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import Source, ensure_topics, producer, topic_ids
from streaming.merge import Merge, Place
from streaming.settings import Settings
from streaming.signing import signing_key
from streaming.store import Store
from streaming.topics import CONTROL, MODELS, STATUS
from streaming.usecase import UseCase
from trainer import stored
from trainer.learner import Learner
from trainer.loop import Loop, Reading
from trainer.outputs import Outputs
from trainer.saver import Saver
from trainer.seat import Seat
from trainer.start import first_offsets
from trainer.summary import summary

log = structlog.get_logger()

SHARD = "0"


class Trainer:
    """One use case's trainer."""

    def __init__(self, settings: Settings, use_case: UseCase, stop: threading.Event) -> None:
        """Connect; `stop` ends the loop after the moment in hand."""
        self._settings, self._use_case, self._stop = settings, use_case, stop
        kafka = settings.kafka
        self._store, self._key = Store(settings.store), signing_key(settings)
        self._checkpoints = Checkpoints(self._store, use_case.name, SHARD, self._key)
        ensure_topics(kafka, [topic.name for topic in use_case.topics])
        ensure_topics(kafka, [CONTROL, STATUS, MODELS, *Outputs.topics(use_case)], compacted=True)
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
        self._outputs: Outputs | None = None
        self._letters: deadletters.Outbox | None = None

    def run(self, *, until_end: bool = False, fresh: bool = False) -> dict[str, Any] | None:
        """Learn until told to stop, or to the end of the topics; then checkpoint. The summary, if it ever learned."""
        name = self._use_case.name
        try:
            if not self._wait_for_seat():
                return None
            if until_end and not self._seat.training_wanted:
                raise HeadraceError(f"training of {name} is off: `headrace training {name} on` turns it on")
            learner, reading, loop = self._begin(until_end=until_end, fresh=fresh)
            # River and what was loaded stay for good: no collection needs to walk them. And few cycles are made here.
            gc.freeze()
            gc.set_threshold(50_000, 10, 10)
            began, before = time.monotonic(), learner.state.counts.events
            loop.run(self._stop.is_set)
            seconds, events = time.monotonic() - began, learner.state.counts.events - before
            log.info("stopping", use_case=name, events=events, seconds=round(seconds, 3))
            loop.conclude()
            return summary(learner, reading.merge.offsets)
        finally:
            self._close()

    def _wait_for_seat(self) -> bool:
        asked, said = time.monotonic(), False
        while not self._seat.ready and not self._stop.is_set():
            self._seat.poll(0.1)
            if not said and time.monotonic() - asked > 3:
                said = True
                log.info("ready, waiting: another copy learns", use_case=self._use_case.name)
        return not self._stop.is_set()

    def _begin(self, *, until_end: bool, fresh: bool) -> tuple[Learner, Reading, Loop]:
        """Claim the newest state, fit everything to it, and say so."""
        use_case, source = self._use_case, self._source
        ids = topic_ids(self._settings.kafka, [topic.name for topic in use_case.topics])

        def prepare(state: Stored) -> tuple[stored.Loaded, dict[Place, int]]:
            loaded = stored.load(use_case, state)
            return loaded, first_offsets(use_case.name, source, loaded, ids)

        claim = self._checkpoints.claim(prepare, fresh=fresh)
        loaded, offsets = claim.state or (None, first_offsets(use_case.name, source, None, ids))
        for sentence in [*claim.warnings, *(loaded.said if loaded else ())]:
            log.warning(sentence, use_case=use_case.name)
        learner = Learner(use_case, loaded.state if loaded else None)
        clock = loaded.clock if loaded else None
        if loaded:
            learner.clock = loaded.clock or 0
            self._saver.saved_offsets, self._saver.saved_learned = offsets, learner.state.counts.learned
        ends = {place: high for place, (_, high) in source.bounds(offsets).items()} if until_end else None
        reading = Reading(source, self._merge(offsets, clock), self._merge, ids, ends)
        self._outputs = Outputs(
            self._settings, self._store, self._producer, self._key, learner, claim, self._checkpoints.check_owner
        )
        self._letters = deadletters.Outbox(self._producer, claim.epoch)
        loop = Loop(learner, reading, self._seat, self._saver, self._outputs, self._letters.send)
        reading.begin()
        learned, origin = learner.state.counts.learned, "its checkpoint" if loaded else "nothing"
        log.info("learning", use_case=use_case.name, epoch=claim.epoch, learned=learned, goes_on_from=origin)
        return learner, reading, loop

    def _merge(self, offsets: dict[Place, int], clock: int | None) -> Merge:
        settings = self._settings
        return Merge(
            self._use_case.topics, offsets, wait_s=settings.merge_wait_s, read_ahead=settings.read_ahead, clock=clock
        )

    def _flush(self) -> None:
        if self._letters is not None and not self._letters.delivered(10):
            raise Unavailable(f"Kafka at {self._settings.kafka.bootstrap_servers} has not taken all dead letters")

    def _close(self) -> None:
        self._saver.close()
        if self._outputs is not None:
            self._outputs.close()
        self._source.close()
        self._seat.leave()
        self._producer.flush(5)
