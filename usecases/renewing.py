"""A model that is replaced by a younger one now and then, so that it cannot grow for ever."""

from typing import Any

from river import base


class Renewing(base.Wrapper[base.Regressor], base.Regressor):
    """Bounds a regressor that keeps something of every example, such as River's Mondrian forests.

    After `every` examples a second, untaught one learns beside the first; after as many again it takes over, and the
    next one begins. The one that answers has learned the last `every` to twice as many examples.

    Parameters
    ----------
    regressor
        What is renewed.
    every
        Examples between two renewals.

    Examples
    --------
    >>> from river import dummy, stats
    >>> model = Renewing(dummy.StatisticRegressor(stats.Mean()), every=10)
    >>> for at in range(100):
    ...     model.learn_one({}, float(at >= 50))
    >>> model.predict_one({})
    1.0
    """

    def __init__(self, regressor: Any, every: int) -> None:
        self.regressor, self.every = regressor, every
        self._old = regressor.clone()
        self._young: Any = None
        self._learned = 0

    @property
    def _wrapped_model(self) -> Any:
        return self.regressor

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """Teach the one that answers and, once there is one, the one that will take over."""
        if self._learned == self.every:
            if self._young is not None:
                self._old = self._young
            self._young, self._learned = self.regressor.clone(), 0
        self._old.learn_one(x, y)
        if self._young is not None:
            self._young.learn_one(x, y)
        self._learned += 1

    def predict_one(self, x: dict[Any, Any]) -> Any:
        """What the older one says."""
        return self._old.predict_one(x)
