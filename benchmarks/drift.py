"""How a use case gets over a drift: the rolling metric of one candidate while the world changes."""

import copy
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.alone import Heard
from benchmarks.simulated import day_of, events_of, lanes_of
from streaming.scoring import metric_name
from streaming.usecase import Event, UseCase
from trainer.learner import Learner
from trainer.offline import learn_all

_DAY_US = 86_400_000_000
_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """The rolling metric over events, and the number of events at which the drift began."""

    metric: str
    candidate: str
    bigger_is_better: bool
    events: list[int]
    values: list[float]
    drift: int

    @property
    def before(self) -> float:
        """The usual value in the third before the drift."""
        known = [v for at, v in zip(self.events, self.values, strict=True) if 2 * self.drift / 3 < at <= self.drift]
        return median(known)

    @property
    def worst(self) -> float:
        """The worst value since the drift."""
        return (min if self.bigger_is_better else max)(self._since)

    @property
    def end(self) -> float:
        """The last value."""
        return self.values[-1]

    @property
    def recovered(self) -> float:
        """The part of the loss that has been made good at the end; 1 where nothing was lost."""
        lost, regained = abs(self.before - self.worst), abs(self.end - self.worst)
        better = self.worst >= self.before if self.bigger_is_better else self.worst <= self.before
        return 1.0 if better or lost < 0.05 * abs(self.before) else regained / lost

    @property
    def _since(self) -> list[float]:
        return [v for at, v in zip(self.events, self.values, strict=True) if at > self.drift]


def after_drift(heard: Heard, events: list[tuple[str, Event]], **options: Any) -> Curve:
    """The curve of the champion that learned `events`, on the same events but for a drift in the middle of them."""
    use_case = heard.use_case
    champion = heard.learners[0].champion
    assert champion is not None, "nothing was learned"  # noqa: S101  # a champion is what this is about
    drift_day = day_of(use_case, events, 0.5)
    drifted = events_of(use_case, len(events), drift_day=drift_day, **options)
    return curve(use_case, champion, drifted, drift_day, max(500, heard.answers // 20))


def curve(use_case: UseCase, candidate: str, events: list[tuple[str, Event]], drift_day: int, window: int) -> Curve:
    """Learn the events with this candidate alone; `window` answers make the rolling metric. The first shard counts."""
    kind = type(use_case)
    single = copy.copy(use_case)
    parts: dict[str, Any] = {"name": kind.name, "window": window, "candidates": {candidate: kind.candidates[candidate]}}
    single.__class__ = type(kind.__name__, (kind,), parts)
    metric = kind.metric()
    name = f"rolling_{metric_name(metric)}"
    found: list[tuple[int, float]] = []
    starts: list[tuple[int, int]] = []
    first: list[Learner] = []
    every = max(1, len(events) // _POINTS)

    def watch(learner: Learner) -> None:
        first[:] = first or [learner]
        count = learner.state.counts.events
        if learner is not first[0]:
            return
        if not starts or learner.clock // _DAY_US - starts[0][1] < drift_day:
            starts.append((count, learner.clock // _DAY_US))
        scores = learner.state.candidates[candidate].scores
        if count // every > (found[-1][0] // every if found else 0) and scores.answers >= window:
            value = scores.values()[name]
            if value is not None:
                found.append((count, value))

    learn_all(single, lanes_of(use_case, events), 1, watch)
    return Curve(
        name, candidate, bool(metric.bigger_is_better), [at for at, _ in found], [v for _, v in found], starts[-1][0]
    )
