"""A candidate: one River model with its metrics over its life and over a rolling window."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from river import base, metrics

from streaming.usecase import Features, Label, UseCase


class Prediction(NamedTuple):
    """What a candidate said: a label or a number, and the probabilities where a metric asks for them."""

    value: Any
    probabilities: dict[Any, float] | None = None


class Scores:
    """Metrics over the life and over the last `window` answers."""

    def __init__(self, use_case: type[UseCase]) -> None:
        """Start with empty metrics."""
        self.life = use_case.metrics()
        self.rolling = use_case.metrics()
        self.window: deque[tuple[Label, Prediction]] = deque()
        self.size = use_case.window
        self.definition = [*(_define(metric) for metric in self.life), str(self.size)]
        self.answers = 0

    def values(self) -> dict[str, float | None]:
        """Every metric by River's name, and `rolling_<name>`; None where it is not a finite number."""
        if not self.answers:
            return {name: None for m in self.life for name in (type(m).__name__, f"rolling_{type(m).__name__}")}
        pairs = zip(self.life, self.rolling, strict=True)
        return {
            name: _finite(metric)
            for life, rolling in pairs
            for name, metric in ((type(life).__name__, life), (f"rolling_{type(life).__name__}", rolling))
        }


def _define(metric: Any) -> str:
    """A metric's class and plain parameters."""
    plain = {k: v for k, v in metric._get_params().items() if isinstance(v, int | float | str | None)}  # noqa: SLF001
    return f"{type(metric).__name__}{plain}"


def _finite(metric: Any) -> float | None:
    value = float(metric.get())
    if not math.isfinite(value):
        return None
    # Averages over classes run over a set: their last digits depend on its order, which a restart may change.
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


def scorer(scores: Scores) -> Callable[[Label, Prediction], None]:
    """What scores one answer: (y, prediction); like River, a prediction that says nothing is not scored."""
    slots = [0 if getattr(metric, "requires_labels", True) else 1 for metric in scores.life]
    updates = [
        (metric.update, slot)
        for pair in (scores.life, scores.rolling)
        for metric, slot in zip(pair, slots, strict=True)
    ]
    reverts = [(metric.revert, slot) for metric, slot in zip(scores.rolling, slots, strict=True)]
    window, size = scores.window, scores.size

    def score(y: Label, prediction: Prediction) -> None:
        if prediction[0] is None:
            return
        scores.answers += 1
        for update, slot in updates:
            update(y, prediction[slot])
        window.append((y, prediction))
        if len(window) > size:
            old_y, old = window.popleft()
            for revert, slot in reverts:
                revert(old_y, old[slot])

    return score


def predictor(candidate: Candidate) -> Callable[[Features], Prediction]:
    """The cheapest call that gives all that the candidate's metrics need: x -> Prediction.

    Labels come from `predict_one` and probabilities from `predict_proba_one`, as in `river.evaluate`; where both are
    wanted and River derives the one from the other, the model is asked once.
    """
    model = candidate.model
    by_label = [getattr(metric, "requires_labels", True) for metric in candidate.scores.life]
    if all(by_label) or not isinstance(_last_step(model), base.Classifier):
        predict_one = model.predict_one
        return lambda x: _prediction(Prediction, (predict_one(x), None))
    if any(by_label) and not _label_is_likeliest(model):
        return lambda x: Prediction(model.predict_one(x), model.predict_proba_one(x))

    def both(x: Features) -> Prediction:
        probabilities = model.predict_proba_one(x)
        if not probabilities:
            return Prediction(None)
        return Prediction(max(probabilities, key=probabilities.get), probabilities)

    return both


_prediction = tuple.__new__  # a named tuple's own constructor takes twice as long


def _last_step(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return _last_step(list(steps.values())[-1]) if steps else model


def _label_is_likeliest(model: Any) -> bool:
    return type(_last_step(model)).predict_one is base.Classifier.predict_one


def teacher(candidate: Candidate) -> Callable[[Features, Label | None], None]:
    """The model's `learn_one` as (x, y), also for models that learn without a label."""
    model = candidate.model
    if model._supervised:  # noqa: SLF001  # River's own question, as in `river.evaluate`
        learn: Callable[[Features, Label | None], None] = model.learn_one
        return learn
    return lambda x, _y: model.learn_one(x)
