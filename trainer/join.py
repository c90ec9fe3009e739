"""The label join: which question an answer belongs to, in event time. Pure data, part of the checkpoint."""

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from streaming.usecase import Features, Label, UseCase

MOST_IDS = 1_000_000
_SLACK = 1_000


class Open(NamedTuple):
    """A question that waits for its answer, with all that is frozen: x and each candidate's prediction."""

    id: str
    key: str
    asked: int
    x: Features
    predictions: dict[str, Any]
    champion: str | None = None
    """Whose prediction was served."""


class Held(NamedTuple):
    """An answer that waits for its question, up to a moment of event time."""

    y: Label
    until: int


@dataclass
class Join:
    """Open questions, answers that came first, and the ids that have taught. Times are microseconds."""

    horizon: int
    remember: int
    open: dict[str, Open] = field(default_factory=dict)
    by_key: dict[str, dict[str, None]] = field(default_factory=dict)
    deadlines: list[tuple[int, int, str]] = field(default_factory=list)
    early: dict[str, Held] = field(default_factory=dict)
    early_deadlines: list[tuple[int, int, str]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    done_order: deque[tuple[int, str]] = field(default_factory=deque)
    sequence: int = 0
    most: int = 1_000_000
    """Open questions, and answers that wait for theirs."""

    @classmethod
    def of(cls, use_case: type[UseCase]) -> "Join":
        """An empty one; ids are remembered for the horizon, at least a day, unless the use case says otherwise."""
        horizon, remember = use_case.horizon, use_case.remember
        remembered = remember if remember is not None else max(horizon, timedelta(days=1))
        return cls(_us(horizon), _us(remembered), most=use_case.most_open)

    def knows(self, id: str) -> bool:  # the field's own word
        """A question or example of this id would be a duplicate."""
        return id in self.done or id in self.open

    def ask(self, question: Open, now: int) -> Label | None:
        """Keep a new question; if its answer came first, give that back instead."""
        if question.id in self.early:
            answer = self.early.pop(question.id).y
            self.finish(question.id, now)
            return answer
        self.open[question.id] = question
        self.by_key.setdefault(question.key, {})[question.id] = None
        heapq.heappush(self.deadlines, (question.asked + self.horizon, self._next(), question.id))
        self.deadlines = _lean(self.deadlines, self.open)
        return None

    def crowded_out(self) -> Open | None:
        """When there are too many open questions: the one whose horizon ends first, taken out."""
        if len(self.open) <= self.most:
            return None
        question = None
        while question is None:
            question = self._take_first()
        return question

    def take(self, id: str, now: int) -> Open | None:
        """The open question of this id, closed now."""
        question = self.open.pop(id, None)
        if question is not None:
            self._forget_key(question)
            self.finish(id, now)
        return question

    def take_key(self, key: str, now: int) -> list[Open]:
        """Every open question of this key in the order of asking, closed now."""
        found = [self.open.pop(id) for id in self.by_key.pop(key, {})]
        for question in found:
            self.finish(question.id, now)
        return found

    def hold(self, id: str, y: Label, time: int) -> int:
        """Keep an answer that came before its question, up to the horizon; tells how many went to make room for it."""
        self.early[id] = Held(y, time + self.horizon)
        heapq.heappush(self.early_deadlines, (time + self.horizon, self._next(), id))
        self.early_deadlines = _lean(self.early_deadlines, self.early)
        before = len(self.early)
        while len(self.early) > self.most:
            self._drop_first()
        return before - len(self.early)

    def finish(self, id: str, now: int) -> None:
        """Remember that this id has taught."""
        self.done.add(id)
        self.done_order.append((now, id))
        if len(self.done_order) > MOST_IDS:
            self.done.discard(self.done_order.popleft()[1])

    def due(self, clock: int) -> bool:
        """Something has run out by now: a question, an early answer, or the memory of an id."""
        return bool(
            (self.deadlines and self.deadlines[0][0] < clock)
            or (self.done_order and self.done_order[0][0] < clock - self.remember)
            or (self.early_deadlines and self.early_deadlines[0][0] < clock)
        )

    def expired(self, clock: int) -> list[Open]:
        """Questions whose horizon the clock has passed, taken out, in the order of their deadlines.

        Their ids are not remembered: one that teaches all the same (by a default answer) is the caller's to `finish`.
        """
        late: list[Open] = []
        while self.deadlines and self.deadlines[0][0] < clock:
            question = self._take_first()
            if question is not None:
                late.append(question)
        return late

    def tidy(self, clock: int) -> int:
        """Forget ids that taught long ago, and drop answers whose question never came; tells how many of these."""
        while self.done_order and self.done_order[0][0] < clock - self.remember:
            self.done.discard(self.done_order.popleft()[1])
        before = len(self.early)
        while self.early_deadlines and self.early_deadlines[0][0] < clock:
            self._drop_first()
        return before - len(self.early)

    def _take_first(self) -> Open | None:
        """Close the question of the first deadline, unless that is another one by now."""
        deadline, _, id = heapq.heappop(self.deadlines)
        question = self.open.get(id)
        if question is None:
            return None
        if question.asked + self.horizon > deadline:  # asked again once its id was forgotten, or the horizon has grown
            heapq.heappush(self.deadlines, (question.asked + self.horizon, self._next(), id))
            return None
        del self.open[id]
        self._forget_key(question)
        return question

    def _drop_first(self) -> None:
        """Drop the early answer of the first deadline, unless that is another one by now."""
        deadline, _, id = heapq.heappop(self.early_deadlines)
        held = self.early.get(id)
        if held is not None and held.until <= deadline:
            del self.early[id]

    def _forget_key(self, question: Open) -> None:
        ids = self.by_key[question.key]
        del ids[question.id]
        if not ids:
            del self.by_key[question.key]

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence


def _lean(deadlines: list[tuple[int, int, str]], waiting: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    """The heap, or, once most of it is of ids that wait no more, one without them."""
    if len(deadlines) <= 2 * len(waiting) + _SLACK:
        return deadlines
    kept = [deadline for deadline in deadlines if deadline[2] in waiting]
    heapq.heapify(kept)
    return kept


def _us(span: timedelta) -> int:
    return round(span.total_seconds() * 1_000_000)
