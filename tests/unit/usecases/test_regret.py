"""What advice costs."""

import pytest

from usecases.telecom.catalog import MonthlyUse, costs
from usecases.telecom.plan import Plan
from usecases.telecom.regret import CostRegret


def x_of(gb, minutes=100.0, sms=10.0):
    return {"avg_data_gb": gb, "avg_minutes": minutes, "avg_sms": sms}


def test_it_is_money_a_month_beyond_the_cheapest_plan():
    metric = CostRegret()
    metric.update("standard", "premium", x_of(10))  # 55 instead of 35
    assert metric.get() == pytest.approx(20)
    metric.update("standard", "standard", x_of(10))
    assert metric.get() == pytest.approx(10)


def test_advice_by_the_catalog_costs_nothing():
    """Whatever the use, and the more so the less the plans differ."""
    metric = CostRegret()
    for gb in range(60):
        by_plan = costs(MonthlyUse(gb, 100, 10))
        metric.update("", min(by_plan, key=by_plan.__getitem__), x_of(gb))
    assert metric.get() == 0


def test_what_was_taken_back_leaves_no_trace():
    metric = CostRegret()
    told = [("basic", "premium", x_of(0.1 * n, 33.3 * n)) for n in range(50)]
    for answer in told:
        metric.update(*answer)
    for answer in told:
        metric.revert(*answer)
    assert metric.get() == 0
    metric.update("standard", "basic", x_of(10))
    assert metric.get() == 10


def test_it_is_reported_beside_the_plans_own_metric():
    assert [type(metric).__name__ for metric in Plan.metrics()] == ["MacroF1", "Accuracy", "CostRegret"]
    assert not CostRegret().bigger_is_better
