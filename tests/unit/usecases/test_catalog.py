"""What a month costs, and which plan is the cheapest."""

import pytest

from usecases.telecom.catalog import CATALOG, MonthlyUse, cheapest, costs


def test_base_within_the_allowance():
    """Use up to the allowance costs the base alone."""
    assert [plan.cost(MonthlyUse(plan.data_gb, plan.minutes, plan.sms)) for plan in CATALOG.values()] == [20, 35, 55]


@pytest.mark.parametrize(
    ("name", "use", "overage"),
    [
        ("basic", MonthlyUse(6, 400, 150), 5 + 5 + 2),
        ("standard", MonthlyUse(16, 1000, 300), 3 + 3 + 1),
        ("premium", MonthlyUse(52, 2100, 1200), 3 + 1 + 1),
    ],
)
def test_overage(name, use, overage):
    """Each GB, minute and message beyond the allowance has its price."""
    assert CATALOG[name].overage(use) == pytest.approx(overage)
    assert CATALOG[name].cost(use) == pytest.approx(CATALOG[name].base + overage)


def test_one_kind_of_use_cannot_make_up_for_another():
    """Messages left over do not pay for data."""
    assert CATALOG["basic"].overage(MonthlyUse(6, 0, 0)) == 5


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (MonthlyUse(0, 0, 0), "basic"),
        (MonthlyUse(8.1, 0, 0), "standard"),
        (MonthlyUse(21.6, 0, 0), "standard"),
        (MonthlyUse(21.7, 0, 0), "premium"),
        (MonthlyUse(100, 5000, 3000), "premium"),
    ],
)
def test_cheapest(use, name):
    """The cheapest plan costs least of all."""
    assert cheapest(use) == name
    assert costs(use)[name] == min(costs(use).values())


def test_a_tie_goes_to_the_cheaper_base():
    """At 8 GB basic and standard cost 35 each: basic it is."""
    use = MonthlyUse(8, 0, 0)
    assert costs(use)["basic"] == costs(use)["standard"] == 35
    assert cheapest(use) == "basic"
