"""What sets a customer apart from the others in ways that come before leaving, in plain sentences."""

from math import log1p
from typing import NamedTuple

from streaming.usecase import Features
from usecases.telecom.catalog import CATALOG

STANDS_OUT = 1.5
"""From how many usual distances on something is a reason."""


class Usual(NamedTuple):
    """What is usual among customers: the median, and how far from it the quarter lies that is likelier to leave."""

    middle: float
    distance: float

    def beyond(self, value: float) -> float:
        """How unusual a value is, in usual distances; below 0 on the side of those who stay."""
        return (value - self.middle) / self.distance


# Quartiles over 24,000 questions of the simulated company, before any drift (`tests/unit/usecases/test_reasons.py`).
OVERAGE = Usual(0.0, 0.34)
"""Overage as a share of the plan's base price."""
TREND = Usual(1.01, -0.11)
"""The last week's use to the month's."""
TENURE = Usual(log1p(126), log1p(49) - log1p(126))
"""Logarithm of the days since the customer was first seen."""


class Reason(NamedTuple):
    """One way in which a customer is unusual, and how much so, in usual distances."""

    weight: float
    sentence: str


def reasons(x: Features) -> list[Reason]:
    """What stands out about a customer, the most unusual first; empty for a customer like most others.

    It compares x with what is usual, and does not ask the model: another model may weigh things differently.

    >>> x = {"current_plan": "basic", "overage": 13.6, "trend": 0.74, "tenure_days": 400}
    >>> for weight, sentence in reasons(x):
    ...     print(f"{weight:.1f} {sentence}")
    2.5 The last week's use is 26 % below the month's.
    2.0 Use beyond the plan costs 13.60 a month on top of the 20.00 of basic; three in four pay less than 6.80.
    """
    found = (_overage(x), _fall(x), _newness(x))
    return sorted((reason for reason in found if reason.weight > STANDS_OUT), key=lambda reason: -reason.weight)


def _overage(x: Features) -> Reason:
    plan = CATALOG[x["current_plan"]]
    most = (OVERAGE.middle + OVERAGE.distance) * plan.base
    sentence = (
        f"Use beyond the plan costs {x['overage']:.2f} a month on top of the {plan.base:.2f} of {plan.name}; "
        f"three in four pay less than {most:.2f}."
    )
    return Reason(OVERAGE.beyond(x["overage"] / plan.base), sentence)


def _fall(x: Features) -> Reason:
    fallen = 100 * (1 - x["trend"])
    return Reason(TREND.beyond(x["trend"]), f"The last week's use is {fallen:.0f} % below the month's.")


def _newness(x: Features) -> Reason:
    days = int(x["tenure_days"])
    return Reason(TENURE.beyond(log1p(days)), f"The customer has been here for {days} days only.")
