"""The telecom world: what a person who knows the business would look for."""

import datetime as dt
from collections import Counter, defaultdict
from itertools import islice, pairwise
from statistics import fmean

import pytest

from producers import telecom
from streaming.codec import Codec
from streaming.topics import Topic
from streaming.usecase import Event
from usecases.telecom.catalog import CATALOG
from usecases.telecom.events import CHURN, USAGE


def world(count: int, **options) -> list[tuple[Topic, Event]]:
    """The first events."""
    return list(islice(telecom.events(**options), count))


@pytest.fixture(scope="module")
def year() -> list[tuple[Topic, Event]]:
    """A year of two hundred customers."""
    return world(73_000, seed=1, customers=200)


def test_events_fit_their_schema():
    """Ten thousand events read as they were written."""
    codecs = {topic: Codec(topic) for topic in (CHURN, USAGE)}
    for topic, event in world(10_000, seed=5):
        assert codecs[topic].decode(codecs[topic].encode(event)) == event


def test_order_of_each_topic(year):
    """Within a topic events rise by (date, customer), so that the last one tells what has been sent."""
    for topic in (CHURN, USAGE):
        places = [(event["date"], event["customer_id"]) for of, event in year if of is topic]
        assert all(earlier < later for earlier, later in pairwise(places))


def test_leaving_comes_first_in_a_day(year):
    """On each day those who leave come before everybody's use."""
    keys = [(event["date"], topic is USAGE) for topic, event in year]
    assert keys == sorted(keys)


def test_no_use_after_leaving(year):
    """Who has left uses nothing from that day on, and does not leave again."""
    left: set[str] = set()
    for topic, event in year:
        assert event["customer_id"] not in left
        if topic is CHURN:
            left.add(event["customer_id"])
    assert left


def test_those_who_leave_are_replaced(year):
    """Each customer who leaves is replaced the next day by one with the next id."""
    use: Counter[dt.date] = Counter()
    leaving: Counter[dt.date] = Counter()
    for topic, event in year[:-300]:
        (use if topic is USAGE else leaving)[event["date"]] += 1
    assert all(use[date] + leaving[date] == 200 for date in list(use)[:-1])
    ids = sorted({event["customer_id"] for _, event in year[:-300]})
    assert ids == [f"C{number:09d}" for number in range(1, len(ids) + 1)]


def test_sixty_customers_by_default():
    """Four thousand events span two months."""
    events = world(4_000)
    assert events[0][1]["date"] == dt.date(2026, 1, 1)
    assert 60 <= (events[-1][1]["date"] - events[0][1]["date"]).days <= 70


def test_weekly_rhythm(year):
    """More data and fewer minutes at weekends."""
    data, minutes = defaultdict(list), defaultdict(list)
    for topic, event in year:
        if topic is USAGE:
            weekend = event["date"].weekday() >= 5
            data[weekend].append(event["data_gb"])
            minutes[weekend].append(event["minutes"])
    assert fmean(data[True]) > 1.2 * fmean(data[False])
    assert fmean(minutes[True]) < 0.85 * fmean(minutes[False])


def test_yearly_rhythm(year):
    """Minutes are higher in winter than in summer."""
    minutes = defaultdict(list)
    for topic, event in year:
        if topic is USAGE:
            minutes[event["date"].month].append(event["minutes"])
    assert fmean(minutes[1]) > 1.05 * fmean(minutes[7])


def test_use_grows_and_falls(year):
    """Over a quarter some customers' use grows by half, others' falls by a third."""
    months: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for topic, event in year:
        if topic is USAGE:
            months[event["customer_id"]][event["date"].month].append(event["minutes"])
    change = [fmean(of[5]) / fmean(of[2]) for of in months.values() if len(of[2]) >= 28 and len(of[5]) >= 28]
    assert sum(ratio > 1.5 for ratio in change) > len(change) / 20
    assert sum(ratio < 2 / 3 for ratio in change) > len(change) / 20


def leaving_rate(year, group) -> dict[str, float]:
    """Churn events a day and customer, by the group of the customer's last usage event."""
    last: dict[str, str] = {}
    days: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for topic, event in year:
        customer = event["customer_id"]
        if topic is USAGE:
            last[customer] = group(event)
            days[last[customer]] += 1
        elif customer in last:
            left[last[customer]] += 1
    return {name: left[name] / days[name] for name in days}


def test_overage_makes_customers_leave(year):
    """Who pays half the base price again as overage leaves at least three times as often as who pays none."""

    def share(event) -> str:
        base = CATALOG[event["current_plan"]].base
        ratio = event["current_monthly_spend"] / base
        return "much" if ratio > 1.5 else "some" if ratio > 1 else "none"

    rates = leaving_rate(year, share)
    assert rates["much"] > 3 * rates["none"]


def test_short_tenure_makes_customers_leave(year):
    """Without overage, who has come in the last two months leaves more often than who has long been there."""
    first: dict[str, dt.date] = {}

    def tenure(event) -> str:
        first.setdefault(event["customer_id"], event["date"])
        if event["current_monthly_spend"] > CATALOG[event["current_plan"]].base:
            return "overage"
        new = event["customer_id"] > "C000000200" and (event["date"] - first[event["customer_id"]]).days < 60
        return "new" if new else "old"

    rates = leaving_rate(year, tenure)
    assert rates["new"] > 1.3 * rates["old"]


def test_falling_use_makes_customers_leave():
    """The hazard of a customer whose week is far below the month is higher than that of the same one in steady use."""
    from random import Random

    day = telecom.START.toordinal()
    steady, falling = (telecom._Customer(Random(4), 1, day, settled=True) for _ in range(2))
    falling._week = [used // 3 for used in falling._week]
    assert falling.hazard(day, telecom.BEFORE) > 3 * steady.hazard(day, telecom.BEFORE)


def test_monthly_churn(year):
    """Between a tenth and a fifth of the customers leave within a month."""
    usage = sum(topic is USAGE for topic, _ in year)
    assert 0.10 < 30 * (len(year) - usage) / usage < 0.20


def test_plans_follow_overage(year):
    """Customers change plans now and then, mostly to one that costs them less."""
    plans: dict[str, str] = {}
    changes, overage_before = 0, 0
    spend: dict[str, float] = {}
    for topic, event in year:
        customer = event["customer_id"]
        if topic is USAGE:
            if plans.get(customer, event["current_plan"]) != event["current_plan"]:
                changes += 1
                overage_before += spend[customer] > event["current_monthly_spend"]
            plans[customer], spend[customer] = event["current_plan"], event["current_monthly_spend"]
    assert changes > 20
    assert overage_before / changes > 0.8


def test_drift_changes_habits_from_its_day_on():
    """Until the day of drift the world is the same; from then on data rises and messages fall."""
    steady, drifting = world(9_000, seed=2), world(9_000, seed=2, drift_day=90)
    turn = telecom.START + dt.timedelta(days=90)
    before = [pair for pair in steady if pair[1]["date"] < turn]
    assert drifting[: len(before)] == before
    early, late = ([e for topic, e in drifting if topic is USAGE and (e["date"] >= turn) == after] for after in (0, 1))
    assert fmean(event["data_gb"] for event in late) > 1.2 * fmean(event["data_gb"] for event in early)
    assert fmean(event["sms"] for event in late) < 0.7 * fmean(event["sms"] for event in early)


def test_it_ends_before_the_calendar(monkeypatch):
    """The world ends in order before dates do."""
    monkeypatch.setattr(telecom, "START", dt.date(9998, 12, 25))
    events = list(telecom.events(customers=3))
    assert events[-1][1]["date"] == dt.date(9998, 12, 30)
