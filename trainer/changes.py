"""What a trainer says in its log of what it learns: once for each change, however many events have made it."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from streaming.merge import Dead
from trainer.learner import Learner

log = structlog.get_logger()

_PAUSE_S = 60.0
"""Between two lines of one kind, where they could be many."""


class Changes:
    """Of one shard."""

    def __init__(self, learner: Learner, clock: Callable[[], float] = time.monotonic) -> None:
        """What the learner has from its checkpoint is no news; a candidate that rests is said at each start."""
        self._clock, self._use_case = clock, learner.use_case.name
        self._champion = learner.champion
        self._failed: set[str] = set()
        self._found = {name: drift.found for name, drift in learner.drifts.items()}
        self._dead: dict[str, tuple[int, str]] = {}
        """By topic: how many, and the first."""
        self._champion_next = self._dead_next = 0.0

    def buried(self, dead: Iterable[Dead]) -> None:
        """Note dead letters; they are said by topic, at most once a minute."""
        for letter in dead:
            number, first = self._dead.get(letter.place.topic) or (0, str(letter))
            self._dead[letter.place.topic] = number + 1, first

    def look(self, facts: Mapping[str, Any]) -> None:
        """Say what is new in the facts of the status."""
        for name, reason in facts["failed"].items():
            if name not in self._failed:
                log.error("a candidate has failed and rests", use_case=self._use_case, candidate=name, reason=reason)
        self._failed = set(facts["failed"])
        for name, drift in facts["drift"].items():
            if drift["found"] > self._found.get(name, 0):
                log.warning("a candidate begins to err more", use_case=self._use_case, candidate=name, at=drift["last"])
            self._found[name] = drift["found"]
        self._say_champion(facts["champion"])
        self._say_dead()

    def _say_champion(self, champion: str | None) -> None:
        if champion in (None, self._champion) or self._clock() < self._champion_next:
            return
        self._champion_next = self._clock() + _PAUSE_S
        log.info("another champion", use_case=self._use_case, candidate=champion, before=self._champion)
        self._champion = champion

    def _say_dead(self) -> None:
        if not self._dead or self._clock() < self._dead_next:
            return
        self._dead_next = self._clock() + _PAUSE_S
        for topic, (number, first) in self._dead.items():
            log.warning(
                "dead letters: they are kept on their topic, learning goes on",
                use_case=self._use_case, topic=topic, records=number, reason=first,
            )  # fmt: skip
        self._dead = {}
