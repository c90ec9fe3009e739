"""`make bench-lifecycle`: how often the champion changes between equals, and how soon a better candidate takes over."""

import random
from collections.abc import Iterator
from statistics import median
from typing import Any, ClassVar

from rich.progress import track
from river import base, metrics
from typing_extensions import TypedDict

from streaming.merge import Moment, Record
from streaming.topics import Topic
from streaming.usecase import Event, Example, UseCase, on
from trainer.learner import Learner

_SEEDS = range(20)
_EQUAL = 50_000
_BETTER = 10_000
_RIGHT = 0.80
_MORE = 0.03


class Tossed(TypedDict):
    """What is right, and what each candidate will say."""

    id: str
    time: float
    y: bool
    x: dict[str, bool]


TOSSED = Topic("tossed", Tossed, key="id", time="time")


class Says(base.Classifier):
    """Repeats one feature: right as often as the feature is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def learn_one(self, x: Any, y: Any) -> None:
        """Nothing to learn."""

    def predict_one(self, x: Any, **_: Any) -> Any:
        """What the feature says."""
        return x[self.name]


class Toss(UseCase):
    """Which of two is right? Their mistakes have nothing in common."""

    topics = (TOSSED,)
    metric = metrics.Accuracy
    candidates: ClassVar[dict[str, Any]] = {"first": lambda: Says("first"), "second": lambda: Says("second")}

    @on(TOSSED)
    def toss(self, event: Event, _profile: None) -> Iterator[Example]:
        """One example."""
        yield Example(event["id"], event["x"], event["y"], event["id"])


def main(_arguments: list[str]) -> None:
    """Print the figures of the choice."""
    changed = [
        len(_learn(seed, _EQUAL, _RIGHT).state.choice.changes) for seed in track(_SEEDS, "equal", transient=True)
    ]
    print(f"two equal candidates, right {_RIGHT:.0%} of the time, {_EQUAL:,} answers, {len(_SEEDS)} seeds:")
    print("  changes of the champion: " + ", ".join(f"{n} in {changed.count(n)} runs" for n in sorted(set(changed))))
    learners = [_learn(seed, _BETTER, _RIGHT + _MORE) for seed in track(_SEEDS, "better")]
    taken = [learner.state.choice.changes[0].learned for learner in learners if learner.state.choice.changes]
    print(f"a challenger that is right {_RIGHT + _MORE:.0%} of the time against a champion at {_RIGHT:.0%}:")
    print(
        f"  took over in {len(taken)} of {len(_SEEDS)} runs, within 5,000 answers in {sum(n <= 5_000 for n in taken)}; "
        f"after {median(taken):,.0f} answers in the median, {max(taken):,} at most"
    )


def _learn(seed: int, answers: int, second: float) -> Learner:
    learner, dice = Learner(Toss()), random.Random(seed)  # reproducible
    for n in range(answers):
        y = dice.random() < 0.5
        x = {name: y == (dice.random() < right) for name, right in (("first", _RIGHT), ("second", second))}
        event = {"id": str(n), "time": n, "y": y, "x": x}
        learner.process(Moment(n, late=False, records=[Record(n, 0, b"", 0, n, TOSSED.name, event, b"", 0.0)]))
    return learner
