"""Prediction intervals: how they are made where errors grow with the value, and whether they keep what they promise."""

from typing import Any

from river import conf

from usecases.shares import Share


class Coverage(Share):
    """The share of answers inside the interval that was given with the prediction, its ends included.

    With a conformal model this comes near to the model's `confidence_level`; below it the intervals promise too much.

    >>> inside = Coverage()
    >>> for y_true, interval in [(10, (8, 12)), (13, (8, 12)), (8, (8, 12)), (9, (8, 12))]:
    ...     inside.update(y_true, interval)
    >>> inside.get()
    0.75
    """

    reads = "interval"

    def hit(self, y_true: float, y_pred: tuple[float, float]) -> bool:
        """Inside?"""
        low, high = y_pred
        return low <= y_true <= high


class RelativeJackknife(conf.RegressionJackknife[Any]):
    """River's jackknife on errors relative to the prediction: dear and cheap, far and near get intervals in proportion.

    The quantiles are of y / prediction - 1 instead of y - prediction (a normalised nonconformity score: Papadopoulos
    and Haralambous, Reliable prediction intervals with regression neural networks, 2011). For positive y; a prediction
    that is not positive has no proportion, so its interval is that number alone, and its error is not counted.

    >>> from river import dummy, stats
    >>> model = RelativeJackknife(dummy.StatisticRegressor(stats.Mean()), confidence_level=0.8)
    >>> for y in [100, 90, 110, 100, 80, 120] * 20:
    ...     model.learn_one({}, y)
    >>> interval = model.predict_one({}, with_interval=True)
    >>> round(interval.lower), round(model.predict_one({})), round(interval.upper)
    (81, 100, 120)
    """

    def learn_one(self, x: dict[Any, Any], y: float, **kwargs: Any) -> None:
        """Note the relative error of the prediction before it is learned from."""
        predicted = self.regressor.predict_one(x)
        if predicted > 0:
            error = y / predicted - 1
            self._lower.update(error)
            self._upper.update(error)
        self.regressor.learn_one(x, y, **kwargs)

    def predict_one(self, x: dict[Any, Any], with_interval: bool = False, **kwargs: Any) -> Any:  # River's signature
        """The number, or with `with_interval` River's `Interval`."""
        predicted = self.regressor.predict_one(x, **kwargs)
        if not with_interval:
            return predicted
        proportion = max(predicted, 0.0)
        return conf.interval.Interval(
            lower=predicted + proportion * (self._lower.get() or 0.0),
            upper=predicted + proportion * (self._upper.get() or 0.0),
        )


def with_interval(regressor: Any) -> RelativeJackknife:
    """The regressor with an interval that nine answers in ten are expected in, by its last 2,000 errors."""
    return RelativeJackknife(regressor, confidence_level=0.9, window_size=2_000)
