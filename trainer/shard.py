"""A learner at work: fetch, learn a moment at a time, checkpoint; the commit comes last."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from streaming.deadletters import Outbox
from streaming.errors import Unavailable
from streaming.failpoints import each
from streaming.merge import Merge, Place
from streaming.source import FETCH, Source
from trainer import stored
from trainer.added import Added
from trainer.learner import Learner
from trainer.observed import Read
from trainer.outputs import Outputs
from trainer.saver import Saver

log = structlog.get_logger()

LEARN_S = 0.05  # learn for so long before looking at the seat, the checkpoint and the outputs again
_LAST_CHECKPOINT_S = 60.0


@dataclass
class Reading:
    """Where the loop reads: a merge over the topics, and how to make another that goes on from there."""

    source: Source
    merge: Merge
    again: Callable[[dict[Place, int], int | None], Merge]
    topic_ids: dict[str, str]
    stop_at: dict[Place, int] | None
    """Learn up to these offsets; None: for ever."""
    partitions: int | None = None
    """How many partitions each topic of a sharded use case has."""

    def begin(self) -> None:
        """Fetch from the merge's offsets on."""
        self.source.start(self.merge, self.stop_at)

    def go_on(self) -> None:
        """Fetch again from the very next offset, with nothing read ahead."""
        self.merge = self.again(self.merge.offsets, self.merge.clock)
        self.begin()

    def extend(self, places: list[Place]) -> None:
        """Read these partitions too: they were added to the topics, and are read from their beginning."""
        offsets = {**self.merge.offsets, **dict.fromkeys(places, 0)}
        self.merge = self.again(offsets, self.merge.clock)
        self.begin()

    @property
    def over(self) -> bool:
        """There is nothing left to read, and there never will be."""
        return self.stop_at is not None and self.merge.drained


class Shard:
    """Learns from `reading`, a turn at a time: one learner of this copy, from its claim to its last checkpoint."""

    def __init__(  # all of them belong to one claim
        self,
        learner: Learner,
        reading: Reading,
        saver: Saver,
        outputs: Outputs,
        letters: Outbox,
        added: Added | None,
    ) -> None:
        """`saver` puts no checkpoint before all `letters` are delivered; `added` notices new partitions."""
        self.learner, self.reading, self._added = learner, reading, added
        self._saver, self._outputs, self._letters = saver, outputs, letters
        self._observer = outputs.observer
        self._observer.begin(reading.merge.offsets)
        self._paused = self._times = False

    def turn(self, wait_s: float, *, training: bool) -> None:
        """Fetch, learn, then save: a crash above the save replays what was not saved, and loses nothing."""
        self._follow_switch(training=training)
        self._follow_partitions()
        behind = not self._paused and self._learn()
        if not behind:
            behind = self.reading.source.poll(wait_s) == FETCH
        offsets, arrivals = self.reading.merge.offsets, self.reading.source.arrivals
        arrivals.used(offsets)
        self._outputs.look(offsets, behind=behind, written_s=arrivals.used_s)
        if self._outputs.report_due():
            self._report()
        self._save()

    def conclude(self) -> None:
        """Bring the last state to the store, and say where we are."""
        offsets = self.reading.merge.offsets
        self._saver.finish(self._dump, offsets, self.learner.state.counts.learned, _LAST_CHECKPOINT_S)
        self.reading.source.commit(offsets)
        self._report()

    def check_owner(self) -> None:
        """Raise `Fenced` when another trainer has claimed; a store that is away is not waited for."""
        with contextlib.suppress(Unavailable):  # the next put tells
            self._saver.check_owner()

    def close(self) -> None:
        """Give up what is on its way."""
        if self._added is not None:
            self._added.close()
        self._saver.close()
        self._outputs.close()
        self.reading.source.close()

    def _learn(self) -> bool:
        """Learn for a while, once a second with a clock at every candidate."""
        if not self._times:
            return self._learn_for_a_while()
        self._times = False
        self.learner.begin_timing(self._observer.costs)
        try:
            return self._learn_for_a_while()
        finally:
            self.learner.end_timing()

    def _learn_for_a_while(self) -> bool:
        """Learn for a while; tells whether there is more to learn without fetching."""
        merge, process = self.reading.merge, each("learn", self.learner.process)
        until = time.monotonic() + LEARN_S
        while (now := time.monotonic()) < until:
            moment = merge.next(now)
            dead = merge.take_dead()
            self.learner.state.counts.dead += len(dead)
            if moment is not None:
                dead += process(moment)
                if moment.late:
                    self._observer.late(moment)
            if dead:
                self._observer.buried(dead)
                self._outputs.changes.buried(dead)
            for letter in dead:
                self._letters.send(letter)
            if moment is None:
                return False
        return True

    def _save(self) -> None:
        saver, offsets = self._saver, self.reading.merge.offsets
        before = saver.saved_at
        saver.look()
        if saver.saved_at != before:
            with contextlib.suppress(Exception):  # a hint for lag monitors: never worth a word
                self.reading.source.commit(saver.saved_offsets)
        if saver.due() and offsets != saver.saved_offsets:
            models = {name: one.model for name, one in self.learner.state.candidates.items()}
            saver.start(self._dump, offsets, self.learner.state.counts.learned, models)

    def _follow_switch(self, *, training: bool) -> None:
        if self._paused == (not training):
            return
        self._paused = not training
        log.info("training is off" if self._paused else "training is on", use_case=self.learner.use_case.name)
        if self._paused:
            self.reading.source.pause()
        else:
            self.reading.go_on()
        self._report()  # whoever has switched waits for this word

    def _follow_partitions(self) -> None:
        places = self._added.look(self.reading.merge.offsets) if self._added and not self._paused else []
        if places:
            found = ", ".join(f"{place.topic}[{place.partition}]" for place in places)
            log.warning("partitions were added: they are read from their beginning", partitions=found)
            self.reading.extend(places)

    def _report(self) -> None:
        self._times = True
        source = self.reading.source
        lags = source.lags()
        waiting_s = source.arrivals.waiting_s
        self._observer.read(Read(self.reading.merge.offsets, lags, waiting_s, not self._paused), time.time())
        self._observer.saved(self._saver)
        self._outputs.report(self._facts(sum(lags.values())), self._saver.saved_learned)

    def _dump(self) -> bytes:
        merge, reading = self.reading.merge, self.reading
        return stored.dump(self.learner.state, merge.clock, merge.offsets, reading.topic_ids, reading.partitions)

    def _facts(self, lag: int) -> dict[str, Any]:
        saved = self._saver.saved_at
        return {
            "state": "paused" if self._paused else "learning",
            "lag": lag,
            "checkpoint_age_s": None if saved is None else round(time.monotonic() - saved, 1),
            "checkpoint": {
                "bytes": self._saver.size,
                "pause_s": self._saver.pause_s,
                "failures": self._saver.failures,
                "refused": self._saver.refused,
            },
            "partitions": self.reading.partitions,
            "training": {"wanted": not self._paused, "applied": not self._paused},
        }
