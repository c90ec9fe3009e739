"""The candidates of `churn`, for data sets that ask as it does."""

from collections.abc import Callable
from typing import Any

from river import compose, forest, linear_model, optim, preprocessing, tree

from streaming.usecase import Features


def classifiers(numbers: Callable[[Features], Features], *, rate: float) -> dict[str, Callable[[], Any]]:
    """By name; `numbers` is what they read of x, `rate` the step of the logistic one."""
    return {
        "logistic": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | linear_model.LogisticRegression(optim.SGD(rate))
        ),
        "hoeffding": lambda: (
            compose.FuncTransformer(numbers) | tree.HoeffdingTreeClassifier(grace_period=200, leaf_prediction="nb")
        ),
        "forest": lambda: compose.FuncTransformer(numbers) | forest.ARFClassifier(n_models=10, seed=42),
    }
