"""How a River model is asked, the same everywhere: label or number, and the probability of each label."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from river import base

from streaming.usecase import Features


class Prediction(NamedTuple):
    """What a model said: a label or a number, and the probability of each label (None where there is none)."""

    value: Any
    probabilities: dict[Any, float] | None = None


Ask: TypeAlias = Callable[[Features], Prediction]


def asking(model: Any) -> Ask:
    """The cheapest call that gives label and probabilities: x -> Prediction."""
    last = last_step(model)
    if not isinstance(last, base.Classifier) or not _has_probabilities(last):
        return lambda x: Prediction(model.predict_one(x))
    if type(last).predict_one is not base.Classifier.predict_one:
        return lambda x: Prediction(model.predict_one(x), model.predict_proba_one(x) or None)

    def likeliest(x: Features) -> Prediction:
        probabilities = model.predict_proba_one(x)
        if not probabilities:
            return Prediction(None)
        return Prediction(max(probabilities, key=probabilities.get), probabilities)

    return likeliest


def last_step(model: Any) -> Any:
    """The model at the end of a pipeline, or the model itself."""
    steps = getattr(model, "steps", None)
    return last_step(list(steps.values())[-1]) if steps else model


def _has_probabilities(classifier: Any) -> bool:
    return type(classifier).predict_proba_one is not base.Classifier.predict_proba_one
