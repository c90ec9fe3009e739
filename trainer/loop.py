"""The consuming loop: fetch, learn a moment at a time, checkpoint; the commit comes last."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from streaming.errors import Unavailable
from streaming.failpoints import each
from streaming.kafka import FETCH, Source
from streaming.merge import Dead, Merge, Place
from trainer import stored
from trainer.learner import Learner
from trainer.outputs import Outputs
from trainer.saver import Saver
from trainer.seat import Seat

log = structlog.get_logger()

_LEARN_S = 0.05  # learn for so long before looking at the seat, the checkpoint and the outputs again
_POLL_S = 0.02
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

    def begin(self) -> None:
        """Fetch from the merge's offsets on."""
        self.source.start(self.merge, self.stop_at)

    def go_on(self) -> None:
        """Fetch again from the very next offset, with nothing read ahead."""
        self.merge = self.again(self.merge.offsets, self.merge.clock)
        self.begin()

    @property
    def over(self) -> bool:
        """There is nothing left to read, and there never will be."""
        return self.stop_at is not None and self.merge.drained


class Loop:
    """Learns from `reading` while this copy has the seat and training is wanted."""

    def __init__(  # all of them belong to one claim
        self,
        learner: Learner,
        reading: Reading,
        seat: Seat,
        saver: Saver,
        outputs: Outputs,
        bury: Callable[[Dead], None],
    ) -> None:
        """`bury` queues a dead letter; `saver` puts no checkpoint before they are all delivered."""
        self._learner, self._reading, self._seat = learner, reading, seat
        self._saver, self._outputs, self._bury = saver, outputs, bury
        self._paused = False

    def run(self, stopped: Callable[[], bool]) -> None:
        """Fetch, learn, then save: a crash above the save replays what was not saved, and loses nothing."""
        while not stopped() and not self._reading.over:
            self._seat.poll(0)
            if not self._seat.ready:
                self._without_seat(stopped)
                continue
            self._follow_switch()
            behind = not self._paused and self._learn()
            if not behind:
                behind = self._reading.source.poll(_POLL_S) == FETCH
            self._outputs.look(self._reading.merge.offsets, behind=behind)
            if self._outputs.report_due():
                self._outputs.report(self._facts(), self._saver.saved_learned)
            self._save()

    def conclude(self) -> None:
        """Bring the last state to the store, and say where we are."""
        offsets = self._reading.merge.offsets
        self._saver.finish(self._dump, offsets, self._learner.state.counts.learned, _LAST_CHECKPOINT_S)
        self._reading.source.commit(offsets)
        self._outputs.report(self._facts(), self._saver.saved_learned)

    def _learn(self) -> bool:
        """Learn for a while; tells whether there is more to learn without fetching."""
        merge, process = self._reading.merge, each("learn", self._learner.process)
        until = time.monotonic() + _LEARN_S
        while (now := time.monotonic()) < until:
            moment = merge.next(now)
            dead = merge.take_dead()
            self._learner.state.counts.dead += len(dead)
            if moment is not None:
                dead += process(moment)
            for letter in dead:
                self._bury(letter)
            if moment is None:
                return False
        return True

    def _save(self) -> None:
        saver, offsets = self._saver, self._reading.merge.offsets
        before = saver.saved_at
        saver.look()
        if saver.saved_at != before:
            with contextlib.suppress(Exception):  # a hint for lag monitors: never worth a word
                self._reading.source.commit(saver.saved_offsets)
        if saver.due() and offsets != saver.saved_offsets:
            saver.start(self._dump, offsets, self._learner.state.counts.learned)

    def _follow_switch(self) -> None:
        if self._paused == (not self._seat.training_wanted):
            return
        self._paused = not self._paused
        log.info("training is off" if self._paused else "training is on", use_case=self._learner.use_case.name)
        if self._paused:
            self._reading.source.pause()
        else:
            self._reading.go_on()
        self._outputs.report(self._facts(), self._saver.saved_learned)  # whoever has switched waits for this word

    def _without_seat(self, stopped: Callable[[], bool]) -> None:
        """Rest, while it is not ours to learn; another trainer's claim ends this one."""
        if self._seat.held:
            return  # ours again, but not all is read yet of what is wanted
        use_case = self._learner.use_case.name
        log.warning("the seat is lost: learning rests", use_case=use_case)
        self._reading.source.pause()
        while not self._seat.ready:
            if stopped():
                return
            self._seat.poll(0.2)
            self._reading.source.poll(0)
            self._check_owner()
            self._saver.look()
        self._check_owner()
        log.info("the seat is back: learning goes on", use_case=use_case)
        if not self._paused:
            self._reading.go_on()

    def _check_owner(self) -> None:
        with contextlib.suppress(Unavailable):  # the next put tells
            self._saver.check_owner()

    def _dump(self) -> bytes:
        merge = self._reading.merge
        return stored.dump(self._learner.state, merge.clock, merge.offsets, self._reading.topic_ids)

    def _facts(self) -> dict[str, Any]:
        saved = self._saver.saved_at
        return {
            "state": "paused" if self._paused else "learning",
            "lag": self._reading.source.lag(),
            "checkpoint_age_s": None if saved is None else round(time.monotonic() - saved, 1),
            "checkpoint": {
                "bytes": self._saver.size,
                "pause_s": self._saver.pause_s,
                "failures": self._saver.failures,
            },
            "training": {"wanted": self._seat.training_wanted, "applied": not self._paused},
        }
