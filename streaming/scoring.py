"""What a use case's metrics are called, and what each one is told of an answer."""

from enum import Enum
from typing import Any

from river import metrics, utils

from streaming.usecase import UseCase


class Reads(Enum):
    """What a metric's `update` and `revert` take beside the label."""

    VALUE = "value"
    """(y, label or number)."""
    PROBABILITIES = "probabilities"
    """(y, probability of each label)."""
    INTERVAL = "interval"
    """(y, (low, high)), where the model gives one."""
    X = "x"
    """(y, label or number, x)."""
    CENTERS = "centers"
    """(x, cluster, centers): River's metrics of clusterings, which know no label."""


def reads(metric: Any) -> Reads:
    """What this metric wants; one of ours says so in its attribute `reads`."""
    if isinstance(bare(metric), metrics.base.ClusteringMetric):
        return Reads.CENTERS
    if hasattr(metric, "reads"):
        return Reads(metric.reads)
    return Reads.VALUE if getattr(metric, "requires_labels", True) else Reads.PROBABILITIES


def bare(metric: Any) -> Any:
    """The metric inside River's `Rolling`, or the metric itself."""
    return metric.obj if isinstance(metric, utils.Rolling) else metric


def metric_name(metric: Any) -> str:
    """Its key in summary, status and API.

    >>> metric_name(metrics.MAE()), metric_name(utils.Rolling(metrics.MAE, 20))
    ('MAE', 'MAE_20')
    """
    name = str(getattr(bare(metric), "name", type(bare(metric)).__name__))
    return f"{name}_{metric.window_size}" if isinstance(metric, utils.Rolling) else name


def metric_names(use_case: type[UseCase]) -> list[str]:
    """Every key that a candidate's metrics have: each metric, and beside it `rolling_<name>` if it can take back."""
    return [name for metric in use_case.metrics() for name in both_names(metric)]


def both_names(metric: Any) -> list[str]:
    """Its key over the life and, unless it has a window of its own, that over the rolling window."""
    name = metric_name(metric)
    return [name] if isinstance(metric, utils.Rolling) else [name, f"rolling_{name}"]
