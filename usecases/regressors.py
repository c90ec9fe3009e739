"""Parts of regressors that use cases share, made of River's own classes."""

from collections.abc import Callable
from typing import Any

from river import compose, forest, linear_model, optim, preprocessing, tree

from streaming.usecase import Features


def scaled(measures: Callable[[Features], Features], flags: Callable[[Features], Features]) -> Any:
    """Measures of like size, and flags as they are."""
    return (compose.FuncTransformer(measures) | preprocessing.StandardScaler()) + compose.FuncTransformer(flags)


def tree_of_lines(rate: float) -> Any:
    """A tree each of whose leaves has a linear model of its own, which a split hands down."""
    return tree.HoeffdingTreeRegressor(
        grace_period=200,
        leaf_prediction="model",
        leaf_model=linear_model.LinearRegression(optim.SGD(rate), intercept_lr=0.03),
    )


def forest_of_means() -> Any:
    """Five trees whose leaves are means."""
    return forest.ARFRegressor(
        n_models=5, max_features=0.7, lambda_value=3, grace_period=50, leaf_prediction="mean", seed=42
    )
