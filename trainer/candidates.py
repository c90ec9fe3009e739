"""A candidate: one River model with its metrics over its life and over a rolling window."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from river import base, metrics, utils

from streaming.asking import (
    Ask,
    Prediction,
    asking_interval,
    asking_likeliest,
    confidence,
    label_is_likeliest,
    last_step,
)
from streaming.scoring import Reads, bare, metric_name, reads
from streaming.usecase import Features, Label, UseCase

Score: TypeAlias = Callable[[Label | None, Prediction, Features], None]


class Scores:
    """Metrics over the life and over the last `window` answers."""

    def __init__(self, use_case: type[UseCase], most: int | None = None) -> None:
        """Start with empty metrics: all of the use case, or the first so many."""
        self.life = use_case.metrics()[:most]
        self.rolling = [metric for metric in use_case.metrics()[:most] if not isinstance(metric, utils.Rolling)]
        self.window: deque[tuple[Any, ...]] = deque()
        """What to take back: label and prediction (and x, where a metric reads it); of a clusterer what it was fed."""
        self.size = use_case.window
        self.definition = [*(_define(metric) for metric in self.life), str(self.size)]
        self.answers = 0

    def values(self) -> dict[str, float | None]:
        """Every metric by its name, and `rolling_<name>`; None where it is not a finite number."""
        rolling = {metric_name(metric): metric for metric in self.rolling}
        found: dict[str, float | None] = {}
        for metric in self.life:
            name = metric_name(metric)
            found[name] = _finite(metric) if self.answers else None
            if name in rolling:
                found[f"rolling_{name}"] = _finite(rolling[name]) if self.answers else None
        return found

    def over_last(self, answers: int) -> float | None:
        """The metric that chooses, over the newest answers alone; at most those of the window. None: not finite."""
        metric = self.life[0].clone()
        newest = [self.window[at] for at in range(-min(answers, len(self.window)), 0)]
        if reads(metric) is Reads.CENTERS:
            for fed in newest:
                metric.update(*fed)
        else:
            update, slot = _told(metric, metric.update)
            for y, prediction in newest:
                if (said := prediction[slot]) is not None:
                    update(y, said)
        return _finite(metric)


def _define(metric: Any) -> str:
    """A metric's name, class and plain parameters."""
    plain = {k: v for k, v in bare(metric)._get_params().items() if isinstance(v, int | float | str | None)}  # noqa: SLF001
    return f"{metric_name(metric)}{plain}"


def _finite(metric: Any) -> float | None:
    value = float(metric.get())
    if not math.isfinite(value):
        return None
    # Averages over classes run over a set: their last digits depend on its order, which a restart may change.
    metric = bare(metric)
    by_class = isinstance(metric, metrics.base.MultiClassMetric) and not isinstance(metric, metrics.Accuracy)
    return float(f"{value:.12g}") if by_class else value


@dataclass
class Candidate:
    """A model in the pool. `failed` holds the reason once it raised: it then rests, the others go on."""

    name: str
    model: Any
    definition: str
    scores: Scores
    failed: str | None = None

    @classmethod
    def new(cls, use_case: type[UseCase], name: str) -> "Candidate":
        """A fresh model from the use case's factory."""
        model = use_case.candidates[name]()
        return cls(name, model, repr(model), Scores(use_case))


def scorer(candidate: Candidate, scores: Scores | None = None) -> Score:
    """What scores one answer: (y, prediction, x), into `scores` or its own; one that says nothing is not scored."""
    scores = candidate.scores if scores is None else scores
    if reads(scores.life[0]) is Reads.CENTERS:
        return partial(_score_cluster, candidate.model, scores, scores.rolling)
    updates = [_told(metric, metric.update) for metric in (*scores.life, *scores.rolling)]
    reverts = [_told(metric, metric.revert) for metric in scores.rolling]
    by_x = any(reads(metric) is Reads.X for metric in scores.life)
    window, size = scores.window, scores.size

    def score(y: Label | None, prediction: tuple[Any, ...], x: Features) -> None:
        if prediction[0] is None:
            return
        scores.answers += 1
        if by_x:
            prediction = (*prediction, (prediction[0], x))
        for update, slot in updates:
            if (said := prediction[slot]) is not None:
                update(y, said)
        window.append((y, prediction))
        if len(window) > size:
            old_y, old = window.popleft()
            for revert, slot in reverts:
                if (said := old[slot]) is not None:
                    revert(old_y, said)

    return score


def life_scorer(candidate: Candidate, scores: Scores) -> Score:
    """The same into the metrics over the life alone; the window is left as it is."""
    if reads(scores.life[0]) is Reads.CENTERS:
        return partial(_score_cluster, candidate.model, scores, None)
    updates = [_told(metric, metric.update) for metric in scores.life]

    def score(y: Label | None, prediction: tuple[Any, ...], x: Features) -> None:
        if prediction[0] is None:
            return
        scores.answers += 1
        told = (*prediction, (prediction[0], x))
        for update, slot in updates:
            if (said := told[slot]) is not None:
                update(y, said)

    return score


_SLOTS = {Reads.VALUE: 0, Reads.PROBABILITIES: 1, Reads.INTERVAL: 2, Reads.X: 3}


def _told(metric: Any, method: Callable[..., None]) -> tuple[Callable[[Any, Any], None], int]:
    """The metric's method as (y, what it reads), and where in a prediction that is."""
    what = reads(metric)
    return (lambda y, said: method(y, *said)) if what is Reads.X else method, _SLOTS[what]


def _score_cluster(  # the first three are bound
    model: Any, scores: Scores, rolling: list[Any] | None, _y: Label | None, prediction: Prediction, x: Features
) -> None:
    """How well the cluster fits, by the centers as they are before the model learns x."""
    centers, cluster = last_step(model).centers, prediction.value
    if cluster not in centers or len(centers) < 2:
        return
    inside = model.transform_one(x) if hasattr(model, "transform_one") else x
    scores.answers += 1
    fed = (inside, cluster, _those_read(inside, cluster, centers))
    for metric in (*scores.life, *(rolling or ())):
        metric.update(inside, cluster, centers)
    if rolling is None:
        return
    scores.window.append(fed)
    if len(scores.window) > scores.size:
        old = scores.window.popleft()
        for metric in scores.rolling:
            metric.revert(*old)


def _those_read(x: Features, cluster: int, centers: dict[int, Features]) -> dict[int, Features]:
    """Of many centers those that decide River's Silhouette: the point's own, and the two that are farthest from it."""
    farthest = sorted(centers, key=lambda at: utils.math.minkowski_distance(centers[at], x, 2))[-2:]
    return {at: dict(centers[at]) for at in dict.fromkeys((cluster, *farthest))}


def predictor(candidate: Candidate) -> Ask:
    """The cheapest call that gives all that the candidate's metrics need: x -> Prediction.

    Labels come from `predict_one` and probabilities from `predict_proba_one`, as in `river.evaluate`; where both are
    wanted and River derives the one from the other, the model is asked once.
    """
    model, wanted = candidate.model, {reads(metric) for metric in candidate.scores.life}
    last = last_step(model)
    if Reads.INTERVAL in wanted and confidence(model) is not None:
        return asking_interval(model)
    if Reads.PROBABILITIES not in wanted or not isinstance(last, base.Classifier):
        predict_one = model.predict_one
        return lambda x: _prediction(Prediction, (predict_one(x), None, None))
    if wanted & {Reads.VALUE, Reads.X} and not label_is_likeliest(last):
        return lambda x: Prediction(model.predict_one(x), model.predict_proba_one(x))
    return asking_likeliest(model)


_prediction = tuple.__new__  # a named tuple's own constructor takes twice as long


def teacher(candidate: Candidate) -> Callable[[Features, Label | None], None]:
    """The model's `learn_one` as (x, y), also for models that learn without a label."""
    model = candidate.model
    if model._supervised:  # noqa: SLF001  # River's own question, as in `river.evaluate`
        learn: Callable[[Features, Label | None], None] = model.learn_one
        return learn
    return lambda x, _y: model.learn_one(x)
