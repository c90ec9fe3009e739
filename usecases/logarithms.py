"""Regression of positive numbers in logarithms, for errors that are a share of the value."""

from math import exp, inf, log
from typing import Any

from river import base

_LEAST = 1e-9
_ROOM = log(2)


class InLogarithms(base.Wrapper[Any], base.Regressor):
    """The regressor learns the logarithm of y, so predictions are positive: half and double are equally wrong.

    What is predicted stays within twice the largest and half the smallest y that was seen. A linear model that meets
    inputs of another size for the first time may be off by ten in logarithms, which would be a factor of 20,000.

    >>> from river import linear_model
    >>> model = InLogarithms(linear_model.LinearRegression())
    >>> for y in [20.0, 40.0] * 50:
    ...     model.learn_one({"size": 1.0}, y)
    >>> 20 < model.predict_one({"size": 1.0}) < 40
    True
    >>> round(model.predict_one({"size": 1_000.0}), 6)
    80.0
    """

    def __init__(self, regressor: Any) -> None:
        """Of any kind."""
        self.regressor = regressor
        self._low, self._high = inf, -inf

    @property
    def _wrapped_model(self) -> Any:
        return self.regressor

    def learn_one(self, x: dict[Any, Any], y: float) -> None:
        """Learn, and widen the range."""
        target = log(max(y, _LEAST))
        self._low, self._high = min(self._low, target - _ROOM), max(self._high, target + _ROOM)
        self.regressor.learn_one(x, target)

    def predict_one(self, x: dict[Any, Any]) -> float:
        """Within the range; 1 before anything was learned."""
        if self._low > self._high:
            return 1.0
        return exp(min(max(self.regressor.predict_one(x), self._low), self._high))
