"""Regressors for series of any scale, whose inputs are lags: `in_1` is the newest value, `in_2` the one before it."""

from typing import Any

from river import base

NEWEST = "in_1"
AVAILABLE = "available_lags"


class Persistence(base.Regressor):
    """The next value is the last one: the baseline that every forecast has to beat. It has nothing to learn.

    Examples
    --------
    >>> model = Persistence()
    >>> model.predict_one({"in_1": 3.5, "in_2": 3.0, "available_lags": 2})
    3.5
    """

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """Nothing."""

    def predict_one(self, x: dict[Any, Any]) -> Any:
        """The newest value; None when there is none."""
        return float(x[NEWEST]) if x[AVAILABLE] else None


class Changes(base.Wrapper[base.Regressor], base.Regressor):
    """Lets a regressor predict the next change from the last changes, in units of the series' usual change.

    So a series at 400 and one at 4 look alike, a trend does not leave what was learned behind, and a model that knows
    nothing yet says 0, which is persistence. Changes that are not known are 0. The usual change is a mean of absolute
    changes in which older ones fade; what is learned is held within `limit` times of it, so that one leap does not
    spoil a model that goes down the gradient.

    Parameters
    ----------
    regressor
        Predicts the change, in usual changes, from `change_1`, the newest, `change_2` and so on.
    lags
        How many of the lags are read; None: all.
    fading
        The weight of a new change in the usual change.
    limit
        Usual changes that a change counts for at most.

    Examples
    --------
    >>> from river import linear_model
    >>> model = Changes(linear_model.LinearRegression())
    >>> for at in range(200):
    ...     old, new = (5.0, 7.0) if at % 2 else (7.0, 5.0)
    ...     model.learn_one({"in_1": new, "in_2": old, "available_lags": 2}, old)
    >>> round(model.predict_one({"in_1": 7.0, "in_2": 5.0, "available_lags": 2}), 1)
    5.0
    """

    def __init__(self, regressor: Any, lags: int | None = None, fading: float = 0.02, limit: float = 6.0) -> None:
        self.regressor, self.lags, self.fading, self.limit = regressor, lags, fading, limit
        self._usual = 0.0

    @property
    def _wrapped_model(self) -> Any:
        return self.regressor

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """Learn the change from the newest value to y; without a newest value there is none."""
        if not x[AVAILABLE]:
            return
        change = y - x[NEWEST]
        size = abs(change)
        self._usual += (size - self._usual) * (self.fading if self._usual else 1.0)
        if self._usual:
            self.regressor.learn_one(self._changes(x), self._in_units(change))

    def predict_one(self, x: dict[Any, Any]) -> Any:
        """The newest value and the predicted change; None when there is no newest value."""
        if not x[AVAILABLE]:
            return None
        newest = float(x[NEWEST])
        return newest + self._usual * self.regressor.predict_one(self._changes(x)) if self._usual else newest

    def _changes(self, x: dict[Any, Any]) -> dict[Any, Any]:
        known = x[AVAILABLE]
        lags = [value for name, value in x.items() if name != AVAILABLE][: self.lags]
        return {
            f"change_{at}": self._in_units(lags[at - 1] - lags[at]) if at < known else 0.0 for at in range(1, len(lags))
        }

    def _in_units(self, change: float) -> float:
        return max(-self.limit, min(self.limit, change / self._usual))
