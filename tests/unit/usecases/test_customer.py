"""A customer's last thirty days."""

import datetime as dt
import pickle

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from streaming.usecase import Event
from usecases.telecom.customer import Customer, categories

START = dt.date(2026, 1, 1)


def usage(day: int, data_gb: float = 1.0, minutes: float = 10.0, sms: int = 2, plan: str = "basic") -> Event:
    """The usage event of one day."""
    return {
        "customer_id": "C1",
        "date": START + dt.timedelta(days=day),
        "data_gb": data_gb,
        "minutes": minutes,
        "sms": sms,
        "region": "north",
        "current_plan": plan,
        "current_monthly_spend": 20.0 + day,
    }


def lived(*events: Event) -> Customer:
    """A customer after these events."""
    customer = Customer()
    for event in events:
        customer.update(event)
    return customer


def by_hand(events: list[Event]) -> Event:
    """The view worked out from all events anew, in the order of their arrival."""
    kept: dict[dt.date, Event] = {}
    newest: Event = {}
    for event in events:
        if newest and event["date"] <= newest["date"] - dt.timedelta(days=30):
            continue
        kept[event["date"]] = event
        if not newest or event["date"] >= newest["date"]:
            newest = event
    first = min(kept)

    def monthly(name, days):
        seen = [e[name] for date, e in kept.items() if date > newest["date"] - dt.timedelta(days=days)]
        return 30 * sum(seen) / len(seen)

    return {
        **{f"avg_{name}": pytest.approx(monthly(name, 30)) for name in ("data_gb", "minutes", "sms")},
        **{f"recent_{name}": pytest.approx(monthly(name, 7)) for name in ("data_gb", "minutes", "sms")},
        "tenure_days": (newest["date"] - first).days,
        **{name: newest[name] for name in ("region", "current_plan", "current_monthly_spend")},
    }


streams = st.lists(
    st.builds(
        usage,
        day=st.integers(0, 100),
        data_gb=st.floats(0, 50),
        minutes=st.floats(0, 500),
        sms=st.integers(0, 100),
        plan=st.sampled_from(["basic", "standard", "premium"]),
    ),
    min_size=1,
    max_size=60,
)


@for_all(streams)
def test_any_order(events):
    """Late days, gaps, repeats and old days: the view is what all events together say."""
    assert lived(*events).view() == by_hand(events)


@for_all(streams)
def test_a_repeated_event_changes_nothing(events):
    """Hearing an event twice in a row is hearing it once."""
    twice = [event for event in events for _ in range(2)]
    assert lived(*twice).view() == lived(*events).view()


@for_all(st.permutations(range(30)))
def test_order_within_the_window_does_not_matter(days):
    """Thirty days give the same use in whatever order they come."""
    events = [usage(day, data_gb=day / 7, minutes=day / 3) for day in range(30)]
    assert lived(*(events[day] for day in days)).view() == lived(*events).view()


@for_all(streams)
def test_pickle(events):
    """A customer that was pickled sees the same, and goes on alike."""
    customer = lived(*events)
    copy = pickle.loads(pickle.dumps(customer, 5))  # our own bytes
    for one in (customer, copy):
        one.update(usage(101))
    assert copy.view() == customer.view()


def test_small_pickle():
    """Thirty days of a customer take about a kilobyte."""
    assert len(pickle.dumps(lived(*(usage(day, day / 7, day / 3) for day in range(40))), 5)) < 1_200


def test_mean_of_the_days_seen():
    """Averages are thirty times the mean of the days that were seen, gaps left out."""
    assert lived(usage(0, data_gb=1.0), usage(10, data_gb=2.0)).view()["avg_data_gb"] == 45


def test_thirty_days_and_no_more():
    """The window of the thirty-first day no longer holds the first."""
    days = [usage(0, data_gb=31.0), *(usage(day, data_gb=1.0) for day in range(1, 31))]
    assert lived(*days[:-1]).view()["avg_data_gb"] == 60
    assert lived(*days).view()["avg_data_gb"] == 30


def test_a_late_day_leaves_plan_and_spend():
    """Plan and spend are those of the newest day."""
    view = lived(usage(5, plan="premium"), usage(3, plan="basic")).view()
    assert (view["current_plan"], view["current_monthly_spend"]) == ("premium", 25.0)


def weeks(days: list[int]) -> list[int]:
    """The days after which a week is over."""
    customer, found = Customer(), []
    for day in days:
        customer.update(usage(day))
        if customer.week_is_over:
            found.append(day)
    return found


def test_weeks_of_daily_use():
    """A week is over seven days after the first day, then every seven days."""
    assert weeks(list(range(30))) == [7, 14, 21, 28]


def test_weeks_with_a_gap():
    """After a gap one week is over, and the next one seven days later."""
    assert weeks([0, 1, 20, *range(21, 30)]) == [20, 27]


def test_weeks_with_late_and_repeated_days():
    """Late and repeated days never end a week."""
    assert weeks([0, 7, 7, 3, 13, 6, 14, 14]) == [7, 14]


def test_nothing_seen():
    """A customer of whom nothing is known has an empty view."""
    assert Customer().view() == {}


def test_categories():
    """Plans by price, regions as 0 or 1."""
    numbers = categories({"current_plan": "premium", "region": "east"})
    assert numbers["current_plan"] == 2
    assert [name for name, value in numbers.items() if value == 1.0] == ["region_east"]
