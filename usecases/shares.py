"""Metrics of regression that are a share of the answers: how often was the prediction near enough?"""

from abc import abstractmethod
from typing import Any

from river import metrics


class Share(metrics.base.RegressionMetric):
    """Counts in whole numbers, so that answers can be taken back from a rolling window for ever without drift."""

    def __init__(self) -> None:
        """Begin without answers."""
        self.hits = 0
        self.answers = 0

    @abstractmethod
    def hit(self, y_true: float, y_pred: Any) -> bool:
        """Whether this answer counts."""

    def update(self, y_true: float, y_pred: Any) -> None:
        """Take in an answer."""
        self.hits += self.hit(y_true, y_pred)
        self.answers += 1

    def revert(self, y_true: float, y_pred: Any) -> None:
        """Take back what `update` took in."""
        self.hits -= self.hit(y_true, y_pred)
        self.answers -= 1

    def get(self) -> float:
        """From 0 to 1; 0 without answers."""
        return self.hits / self.answers if self.answers else 0.0

    @property
    def bigger_is_better(self) -> bool:
        """The more the better."""
        return True

    @property
    def works_with_weights(self) -> bool:
        """An answer counts once."""
        return False


class Within(Share):
    """The share of predictions that are at most `limit` away from the answer, in its own unit.

    >>> near = Within(2, unit="min")
    >>> for y_true, y_pred in [(10, 11), (10, 12), (10, 12.5), (30, 20)]:
    ...     near.update(y_true, y_pred)
    >>> near.name, near.get()
    ('within_2_min', 0.5)
    """

    def __init__(self, limit: float, unit: str) -> None:
        """`unit` is for the name alone."""
        super().__init__()
        self.limit, self.unit = limit, unit

    @property
    def name(self) -> str:
        """Its key in summary, status and API."""
        return f"within_{self.limit:g}_{self.unit}"

    def hit(self, y_true: float, y_pred: float) -> bool:
        """Near enough?"""
        return abs(y_true - y_pred) <= self.limit


class WithinPercent(Share):
    """The share of predictions that are at most so many percent of the answer away from it.

    >>> near = WithinPercent(10)
    >>> for y_true, y_pred in [(100, 109), (100, 90), (100, 111), (1, 2)]:
    ...     near.update(y_true, y_pred)
    >>> near.name, near.get()
    ('within_10_percent', 0.5)
    """

    def __init__(self, percent: float) -> None:
        """Of the answer, whose sign does not matter."""
        super().__init__()
        self.percent = percent

    @property
    def name(self) -> str:
        """Its key in summary, status and API."""
        return f"within_{self.percent:g}_percent"

    def hit(self, y_true: float, y_pred: float) -> bool:
        """Near enough?"""
        return 100 * abs(y_true - y_pred) <= self.percent * abs(y_true)
