"""How a use case gets over a drift: the rolling metric of one candidate while the world changes."""

import copy
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.alone import Heard
from benchmarks.simulated import day_of, events_of, lanes_of
from streaming.scoring import metric_name
from streaming.usecase import Event, UseCase
from trainer.learner import Learner
from trainer.offline import learn_all

_DAY_US = 86_400_000_000
_POINTS = 200
_LAST = 10
_NOTHING = 0.05


@dataclass(frozen=True)
class Curve:
    """The rolling metric by the number of events."""

    events: list[int]
    values: list[float]
    drift: int
    """The number of events at which the world changed."""


@dataclass(frozen=True)
class Recovery:
    """How one candidate gets over a drift, beside the same candidate in a world that has always been the new one.

    What is hard for both (a season, the weather, a harder world) is nobody's fault: the gap between the two counts.
    """

    metric: str
    candidate: str
    bigger_is_better: bool
    drifted: Curve
    new_world: Curve

    @property
    def gaps(self) -> list[float]:
        """How much worse the drifted one is, at each of its points since the drift."""
        sign = 1 if self.bigger_is_better else -1
        pairs = (
            (at, v) for at, v in zip(self.drifted.events, self.drifted.values, strict=True) if at > self.drifted.drift
        )
        return [sign * (self._usual(at) - value) for at, value in pairs]

    @property
    def share(self) -> float:
        """The part of the widest gap that is closed at the end; 1 where there was none to speak of."""
        widest, last = max(self.gaps), mean(self.gaps[-_LAST:])
        return 1.0 if widest < _NOTHING * abs(mean(self.new_world.values)) else 1 - last / widest

    def _usual(self, at: int) -> float:
        """The value in the new world at this number of events."""
        nearest = min(range(len(self.new_world.events)), key=lambda n: abs(self.new_world.events[n] - at))
        return self.new_world.values[nearest]


def recovery(heard: Heard, events: list[tuple[str, Event]], **options: Any) -> Recovery:
    """Of the champion of `events`: the same events but for a drift in their middle, and with the drift all the time."""
    use_case = heard.use_case
    champion = heard.learners[0].champion
    assert champion is not None, "nothing was learned"  # noqa: S101  # a champion is what this is about
    drift_day, window = day_of(use_case, events, 0.5), max(500, heard.answers // 20)
    metric = type(use_case).metric()
    drifted, new_world = (
        curve(use_case, champion, events_of(use_case, len(events), drift_day=day, **options), day, window)
        for day in (drift_day, 0)
    )
    return Recovery(f"rolling_{metric_name(metric)}", champion, bool(metric.bigger_is_better), drifted, new_world)


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
        if not starts or learner.clock // _DAY_US - starts[0][1] < drift_day:  # the last one before the drift stays
            starts.append((count, learner.clock // _DAY_US))
        scores = learner.state.candidates[candidate].scores
        if count // every > (found[-1][0] // every if found else 0) and scores.answers >= window:
            value = scores.values()[name]
            if value is not None:
                found.append((count, value))

    learn_all(single, lanes_of(use_case, events), 1, watch)
    return Curve([at for at, _ in found], [value for _, value in found], starts[-1][0])
