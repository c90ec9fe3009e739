"""What advice costs: the money that a customer pays for a plan beyond what the cheapest one would cost."""

from typing import Any

from river import metrics

from streaming.usecase import Features
from usecases.telecom.catalog import CATALOG, MonthlyUse, cheapest

_UNITS = 1_000_000  # of a unit of money: whole numbers, so that what is taken back leaves no trace


class CostRegret(metrics.base.ClassificationMetric):
    """Mean regret of the advised plans, in money per customer and month: 0 when each one is the cheapest.

    The regret of an action is what it costs beyond the best one in hindsight (Savage: The Theory of Statistical
    Decision, JASA 46, 1951). It weighs mistakes, which accuracy does not: two plans may cost nearly the same.

    >>> metric = CostRegret()
    >>> x = {"avg_data_gb": 10.0, "avg_minutes": 200.0, "avg_sms": 20.0}
    >>> for advised in ("standard", "basic"):
    ...     metric.update("standard", advised, x)
    >>> metric
    CostRegret: 5.
    """

    reads = "x"  # where River's metrics take a weight; what is cheapest follows from it, not from the label
    _fmt = ",.6f"

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sum = 0
        self._answers = 0

    @property
    def bigger_is_better(self) -> bool:
        """Less money is better."""
        return False

    def update(self, y_true: Any, y_pred: Any, x: Features) -> None:  # type: ignore[override]  # noqa: ARG002
        """Take in an answer: the cheapest plan, the advised one, and the inputs, which hold the month's use."""
        self._count(y_pred, x, 1)

    def revert(self, y_true: Any, y_pred: Any, x: Features) -> None:  # type: ignore[override]  # noqa: ARG002
        """Take back what `update` took in."""
        self._count(y_pred, x, -1)

    def get(self) -> float:
        """Money per customer and month; 0 without answers."""
        return self._sum / _UNITS / self._answers if self._answers else 0.0

    def _count(self, advised: str, x: Features, by: int) -> None:
        use = MonthlyUse(x["avg_data_gb"], x["avg_minutes"], x["avg_sms"])
        self._sum += by * round(_UNITS * (CATALOG[advised].cost(use) - CATALOG[cheapest(use)].cost(use)))
        self._answers += by
