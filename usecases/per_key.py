"""One River model for each key, inside one candidate."""

from collections import OrderedDict
from typing import Any

from river import base


class PerKey(base.Wrapper[base.Regressor], base.Regressor):
    """A regressor of its own for each value of one feature: what one key teaches never touches another.

    A key that was never learned gets no prediction (None), so that the rules of the use case may answer. Asking changes
    nothing.

    Parameters
    ----------
    model
        What each key begins with: an untaught copy of it.
    key
        The name of the feature that holds the key. The models get all other features.
    most
        Keys whose model is kept; beyond it the one that learned longest ago goes.

    Examples
    --------
    >>> from river import dummy, stats
    >>> model = PerKey(dummy.StatisticRegressor(stats.Mean()), key="shop", most=2)
    >>> for shop, y in (("a", 1), ("b", 10), ("a", 3)):
    ...     model.learn_one({"shop": shop}, y)
    >>> model.predict_one({"shop": "a"}), model.predict_one({"shop": "b"}), model.predict_one({"shop": "c"})
    (2.0, 10.0, None)
    >>> model.learn_one({"shop": "c"}, 7)
    >>> sorted(model.models)
    ['a', 'c']
    """

    def __init__(self, model: Any, key: str, most: int = 10_000) -> None:
        self.model, self.key, self.most = model, key, most
        self.models: OrderedDict[Any, Any] = OrderedDict()
        """By key; the one that learned longest ago first."""

    @property
    def _wrapped_model(self) -> Any:
        return self.model

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """Teach the model of the key alone."""
        key = x[self.key]
        model = self.models.get(key)
        if model is None:
            model = self.models[key] = self.model.clone()
            if len(self.models) > self.most:
                self.models.popitem(last=False)
        self.models.move_to_end(key)
        model.learn_one(self._others(x), y)

    def predict_one(self, x: dict[Any, Any]) -> Any:
        """What the key's model says; None when there is none."""
        model = self.models.get(x[self.key])
        return None if model is None else model.predict_one(self._others(x))

    def _others(self, x: dict[Any, Any]) -> dict[Any, Any]:
        return {name: value for name, value in x.items() if name != self.key}
