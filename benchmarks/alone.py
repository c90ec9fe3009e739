"""River alone on what a learner has heard: the same models and metrics in a bare loop, and a naive baseline."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from river import base, compose, dummy, metrics, stats

from streaming import shards
from streaming.asking import confidence, last_step
from streaming.scoring import Reads, metric_name, reads
from streaming.usecase import Features, Label, UseCase
from trainer.learner import Learner
from trainer.offline import Lanes, learn_all

Step = tuple[str, Features, Label | None]
"""`ask` with the inputs, or `learn` with the same inputs and the answer."""
Values = dict[str, float | None]


@dataclass
class Heard:
    """What the learners of a use case have learned, and the questions and answers that each has met, in order."""

    use_case: UseCase
    learners: list[Learner]
    tapes: list[list[Step]] = field(default_factory=list)
    dead: int = 0

    @property
    def candidates(self) -> dict[str, Values]:
        """Each candidate's metrics as the learners tell them."""
        pools = [learner.state.candidates for learner in self.learners]
        return self._averaged([{name: one.scores.values() for name, one in pool.items()} for pool in pools])

    def by_river(self, factory: Callable[[], Any]) -> Values:
        """The metrics over the life of a model that River alone has run over the same steps."""
        return self._averaged([{"it": alone(self.use_case, tape, factory())} for tape in self.tapes])["it"]

    @property
    def answers(self) -> int:
        """How often the candidate was scored that was scored most."""
        return sum(max(c.scores.answers for c in one.state.candidates.values()) for one in self.learners)

    def values(self, metric: str) -> dict[str, float]:
        """This metric of each candidate that has one."""
        known = {name: values[metric] for name, values in self.candidates.items()}
        return {name: value for name, value in known.items() if value is not None}

    def _averaged(self, candidates: Sequence[Mapping[str, Values]]) -> dict[str, Values]:
        """Over the shards, each weighted by its answers."""
        pools = [learner.state.candidates.values() for learner in self.learners]
        answers = [max(candidate.scores.answers for candidate in pool) for pool in pools]
        return shards.averaged([{"candidates": one, "answers": n} for one, n in zip(candidates, answers, strict=True)])


def clusters(use_case: UseCase) -> bool:
    """Whether it looks for clusters: nothing is asked, nothing answered."""
    return reads(type(use_case).metric()) is Reads.CENTERS


def kind_of(model: Any) -> str:
    """The River class that does the learning, inside pipelines and wrappers."""
    inner = last_step(model)
    while isinstance(inner, base.Wrapper):
        inner = last_step(inner._wrapped_model)  # noqa: SLF001  # River's own name for it
    return type(inner).__name__


def learn(use_case: UseCase, lanes: Lanes, partitions: int = 3) -> Heard:
    """Learn all records, with the candidates of the use case and a tape among them."""
    taped = copy.copy(use_case)
    taped.__class__ = _with_tape(type(use_case))
    learned, dead = learn_all(taped, lanes, partitions)
    learners = [learner for learner, _ in learned]
    tapes = [learner.state.candidates.pop(_TAPE).model.heard for learner in learners]
    return Heard(use_case, learners, tapes, len(dead))


def alone(use_case: UseCase, tape: Iterable[Step], model: Any) -> Values:
    """Predict when asked, score and learn when answered: nothing but River's own calls."""
    measured = type(use_case).metrics()
    said: dict[int, dict[Reads, Any]] = {}
    for verb, x, y in tape:
        if verb == "ask":
            said[id(x)] = _say(model, x, {reads(metric) for metric in measured})
            continue
        words = said.pop(id(x), None)
        for metric in measured if words is not None else ():
            _score(metric, y, words or {})
        model.learn_one(x, y) if model._supervised else model.learn_one(x)  # noqa: SLF001  # River's own question
    return {metric_name(metric): float(metric.get()) for metric in measured}


def baseline(use_case: UseCase) -> tuple[str, Callable[[], Any]]:
    """What a model must beat: the last value, the commonest label, the mean, or centers that never move."""
    kind = type(use_case)
    metric = kind.metric()
    if "persistence" in kind.candidates:
        return "the last value", kind.candidates["persistence"]
    if reads(metric) is Reads.CENTERS:
        return "fixed centers", lambda: _fixed_centers(kind)
    if isinstance(metric, metrics.base.RegressionMetric):
        return "mean", lambda: dummy.StatisticRegressor(stats.Mean())
    return "majority", dummy.PriorClassifier


class FixedCenters(base.Clusterer):
    """As many centers as wanted, at the first points that differ: the random start of k-means, never moved."""

    def __init__(self, n_clusters: int = 12) -> None:
        self.n_clusters = n_clusters
        self.centers: dict[int, Features] = {}

    def learn_one(self, x: Any) -> None:
        """Take a point as center while there are too few."""
        if len(self.centers) < self.n_clusters and x not in self.centers.values():
            self.centers[len(self.centers)] = dict(x)

    def predict_one(self, x: Any) -> int:
        """The nearest center."""
        gaps = {at: sum((center[name] - x[name]) ** 2 for name in x) for at, center in self.centers.items()}
        return min(gaps, key=gaps.__getitem__, default=0)


_TAPE = "tape"


class _Tape:
    """Says nothing, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Step] = []
        self.centers: dict[int, Features] = {}

    def learn_one(self, x: Any, y: Any = None) -> None:
        """Keep an answer."""
        self.heard.append(("learn", x, y))

    def predict_one(self, x: Any) -> Any:
        """Keep a question."""
        self.heard.append(("ask", x, None))

    def predict_proba_one(self, x: Any) -> Any:
        """Keep a question."""
        self.predict_one(x)
        return {}

    @property
    def _multiclass(self) -> bool:
        return True


class _ClassifierTape(_Tape, base.Classifier):  # type: ignore[misc]  # it takes anything
    pass


class _RegressorTape(_Tape, base.Regressor):
    pass


class _ClustererTape(_Tape, base.Clusterer):
    pass


def _with_tape(kind: type[UseCase]) -> type[UseCase]:
    metric = kind.metric()
    tape: type[_Tape] = _ClassifierTape
    if reads(metric) is Reads.CENTERS:
        tape = _ClustererTape
    elif isinstance(metric, metrics.base.RegressionMetric):
        tape = _RegressorTape
    return type(kind.__name__, (kind,), {"name": kind.name, "candidates": {_TAPE: tape, **kind.candidates}})


def _say(model: Any, x: Features, wanted: set[Reads]) -> dict[Reads, Any]:
    """All that the metrics want to know of a model's prediction."""
    if Reads.CENTERS in wanted:
        inside = model.transform_one(x) if hasattr(model, "transform_one") else x
        cluster = model.predict_one(x)  # some look for their centers only now
        return {Reads.CENTERS: (inside, cluster, {at: dict(c) for at, c in last_step(model).centers.items()})}
    value = model.predict_one(x)
    said = {Reads.VALUE: value, Reads.X: (value, x)}
    if Reads.PROBABILITIES in wanted:
        is_classifier = isinstance(last_step(model), base.Classifier)
        said[Reads.PROBABILITIES] = model.predict_proba_one(x) if is_classifier else value
    if Reads.INTERVAL in wanted and confidence(model) is not None:
        interval = model.predict_one(x, with_interval=True)
        said[Reads.INTERVAL] = interval.lower, interval.upper
    return said


def _score(metric: Any, y: Label | None, said: Mapping[Reads, Any]) -> None:
    what = reads(metric)
    if what is Reads.CENTERS:
        metric.update(*said[what])
    elif said[Reads.VALUE] is None:
        return
    elif what is Reads.X:
        metric.update(y, *said[what])
    elif what in said:
        metric.update(y, said[what])


def _fixed_centers(kind: type[UseCase]) -> Any:
    """In the space in which the first candidate sees its points."""
    model = next(iter(kind.candidates.values()))()
    if not hasattr(model, "transform_one"):
        return FixedCenters()
    return compose.FuncTransformer(model.transform_one) | FixedCenters()
