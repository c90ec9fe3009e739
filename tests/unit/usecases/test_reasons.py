"""Why a customer may leave."""

import statistics
from math import log1p

import pytest

from benchmarks.reasons import asked as asked_by_simulator
from streaming.usecase import Features
from usecases.telecom.catalog import CATALOG
from usecases.telecom.churn import Churn
from usecases.telecom.reasons import OVERAGE, TENURE, TREND, reasons

LIKE_MOST = {"current_plan": "standard", "overage": 0.0, "trend": 1.0, "tenure_days": 300}


@pytest.fixture(scope="module")
def asked() -> list[tuple[Features, bool]]:
    """The simulated company's questions, each with what became of the customer within thirty days."""
    return asked_by_simulator(24_000, seed=3)


def test_a_customer_like_most_has_no_reason_to_leave():
    assert reasons(LIKE_MOST) == []


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            {"overage": 40.0},
            (
                "Use beyond the plan costs 40.00 a month on top of the 35.00 of standard; "
                "three in four pay less than 11.90."
            ),
        ),
        ({"trend": 0.5}, "The last week's use is 50 % below the month's."),
        ({"tenure_days": 7}, "The customer has been here for 7 days only."),
    ],
)
def test_what_is_unusual_is_said(x, sentence):
    assert [reason.sentence for reason in reasons({**LIKE_MOST, **x})] == [sentence]


def test_the_most_unusual_comes_first():
    """Overage in its two orders with a fall: the weights decide, not the kind."""
    falling = {**LIKE_MOST, "trend": 0.7}
    little, much = reasons({**falling, "overage": 20.0}), reasons({**falling, "overage": 200.0})
    assert [reason.sentence[:3] for reason in little] == ["The", "Use"]
    assert [reason.sentence[:3] for reason in much] == ["Use", "The"]
    assert all(first.weight > second.weight for first, second in (little, much))


def test_more_use_and_long_loyalty_are_no_reasons():
    assert reasons({**LIKE_MOST, "trend": 3.0, "tenure_days": 3_000}) == []


def test_the_answer_of_the_api_carries_them():
    x = {**LIKE_MOST, "overage": 40.0, "trend": 0.5}
    before = dict(x)
    said = Churn().explain(x, True)
    assert said == {"reasons": [reason.sentence for reason in reasons(x)]}
    assert len(said["reasons"]) == 2
    assert x == before


def test_what_is_called_usual_is_so(asked):
    """The constants are the simulator's own quartiles."""
    share = statistics.quantiles((x["overage"] / CATALOG[x["current_plan"]].base for x, _ in asked), n=4)
    trend = statistics.quantiles((x["trend"] for x, _ in asked), n=4)
    tenure = statistics.quantiles((x["tenure_days"] for x, _ in asked), n=4)
    assert (share[1], share[2]) == pytest.approx((OVERAGE.middle, OVERAGE.middle + OVERAGE.distance), abs=0.1)
    assert (trend[1], trend[0]) == pytest.approx((TREND.middle, TREND.middle + TREND.distance), abs=0.03)
    assert TENURE.beyond(log1p(tenure[1])) == pytest.approx(0, abs=0.3)
    assert TENURE.beyond(log1p(tenure[0])) == pytest.approx(1, abs=0.3)


def test_customers_with_a_reason_leave_several_times_as_often(asked):
    """The reasons are causes in the simulated company, which the comparison does not know."""
    with_one = [left for x, left in asked if reasons(x)]
    without = [left for x, left in asked if not reasons(x)]
    assert statistics.mean(with_one) > 3 * statistics.mean(without)
