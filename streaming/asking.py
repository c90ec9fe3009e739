"""How a River model is asked, the same everywhere: label or number, the probability of each label, the interval."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from river import base, conf

from streaming.usecase import Features


class Prediction(NamedTuple):
    """What a model said. What it has no word of is None."""

    value: Any
    """A label, a number or a cluster."""
    probabilities: dict[Any, float] | None = None
    """Of each label."""
    interval: tuple[float, float] | None = None
    """Low and high: the answer is expected between them as often as the model's confidence says."""


Ask: TypeAlias = Callable[[Features], Prediction]


def asking(model: Any) -> Ask:
    """The cheapest call that gives all that the model has to say: x -> Prediction."""
    last = last_step(model)
    if isinstance(last, conf.RegressionJackknife):
        return asking_interval(model)
    if not isinstance(last, base.Classifier) or not _has_probabilities(last):
        return lambda x: Prediction(model.predict_one(x))
    if not label_is_likeliest(last):
        return lambda x: Prediction(model.predict_one(x), model.predict_proba_one(x) or None)
    return asking_likeliest(model)


def asking_likeliest(model: Any) -> Ask:
    """The model is asked once: the label is the likeliest, the first of equals, as in River's own `predict_one`."""

    def likeliest(x: Features) -> Prediction:
        probabilities = model.predict_proba_one(x)
        if not probabilities:
            return Prediction(None)
        return Prediction(max(probabilities, key=probabilities.get), probabilities)

    return likeliest


def asking_interval(model: Any) -> Ask:
    """The number and the interval of a conformal model."""

    def both(x: Features) -> Prediction:
        interval = model.predict_one(x, with_interval=True)
        return Prediction(model.predict_one(x), None, (interval.lower, interval.upper))

    return both


def confidence(model: Any) -> float | None:
    """How often the answer is expected inside the model's interval; None of a model without intervals."""
    last = last_step(model)
    return float(last.confidence_level) if isinstance(last, conf.RegressionJackknife) else None


def last_step(model: Any) -> Any:
    """The model at the end of a pipeline, or the model itself."""
    steps = getattr(model, "steps", None)
    return last_step(list(steps.values())[-1]) if steps else model


def label_is_likeliest(classifier: Any) -> bool:
    """Its label is nothing but the likeliest."""
    return type(classifier).predict_one is base.Classifier.predict_one


def _has_probabilities(classifier: Any) -> bool:
    return type(classifier).predict_proba_one is not base.Classifier.predict_proba_one
