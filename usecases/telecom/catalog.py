"""The plan catalog: what a month of use costs under each plan, and which plan is the cheapest."""

from dataclasses import dataclass
from typing import NamedTuple


class MonthlyUse(NamedTuple):
    """Use of thirty days."""

    data_gb: float
    minutes: float
    sms: float


@dataclass(frozen=True)
class CatalogPlan:
    """A plan: a base price a month with an allowance, and prices for what goes beyond it."""

    name: str
    base: float
    data_gb: float
    minutes: float
    sms: float
    per_gb: float
    per_minute: float
    per_sms: float

    def overage(self, use: MonthlyUse) -> float:
        """Money for use beyond the allowance.

        >>> CATALOG["basic"].overage(MonthlyUse(data_gb=7, minutes=100, sms=100))
        11.0
        """
        gb, minutes, sms = use.data_gb - self.data_gb, use.minutes - self.minutes, use.sms - self.sms
        return (
            (gb * self.per_gb if gb > 0 else 0.0)
            + (minutes * self.per_minute if minutes > 0 else 0.0)
            + (sms * self.per_sms if sms > 0 else 0.0)
        )

    def cost(self, use: MonthlyUse) -> float:
        """Money for the month: base and overage."""
        return self.base + self.overage(use)


# Cheaper base first: `cheapest` gives a tie to the first.
CATALOG = {
    plan.name: plan
    for plan in (
        CatalogPlan("basic", 20, 5, 300, 50, per_gb=5, per_minute=0.05, per_sms=0.02),
        CatalogPlan("standard", 35, 15, 900, 200, per_gb=3, per_minute=0.03, per_sms=0.01),
        CatalogPlan("premium", 55, 50, 2000, 1000, per_gb=1.5, per_minute=0.01, per_sms=0.005),
    )
}


def costs(use: MonthlyUse) -> dict[str, float]:
    """The month's cost under each plan.

    >>> costs(MonthlyUse(data_gb=10, minutes=200, sms=20))
    {'basic': 45.0, 'standard': 35.0, 'premium': 55.0}
    """
    return {name: plan.cost(use) for name, plan in CATALOG.items()}


def cheapest(use: MonthlyUse) -> str:
    """The plan that costs least for this use; of two equal ones that with the cheaper base.

    >>> cheapest(MonthlyUse(data_gb=8, minutes=0, sms=0))
    'basic'
    """
    by_plan = costs(use)
    return min(by_plan, key=by_plan.__getitem__)
