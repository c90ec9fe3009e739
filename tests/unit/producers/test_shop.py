"""The world of payments: what a person who hunts fraud would look for."""

import datetime as dt
from collections import defaultdict
from datetime import timedelta
from itertools import islice, pairwise
from statistics import fmean

import pytest

from producers import shop
from usecases.shop.events import CHARGEBACKS, TRANSACTIONS

HORIZON = timedelta(days=45)


@pytest.fixture(scope="module")
def world():
    return list(islice(shop.events(seed=4, customers=120), 40_000))


@pytest.fixture(scope="module")
def payments(world):
    return [event for topic, event in world if topic is TRANSACTIONS]


@pytest.fixture(scope="module")
def disputed(world):
    return {event["transaction_id"] for topic, event in world if topic is CHARGEBACKS}


def test_no_two_events_of_a_topic_share_their_moment_and_time_never_goes_back(world):
    for topic in (TRANSACTIONS, CHARGEBACKS):
        assert all(a < b for a, b in pairwise(event["time"] for of, event in world if of is topic))
    assert all(a["time"] <= b["time"] for (_, a), (_, b) in pairwise(world))


def test_four_thousand_events_span_two_horizons():
    events = [event for _, event in islice(shop.events(), 4_000)]
    assert events[-1]["time"] - events[0]["time"] >= 2 * HORIZON


def test_about_one_payment_in_a_hundred_is_disputed_within_the_horizon(world, payments, disputed):
    old = [p for p in payments if payments[-1]["time"] - p["time"] > HORIZON]
    assert 0.005 < fmean(p["transaction_id"] in disputed for p in old) < 0.02
    paid = {p["transaction_id"]: p["time"] for p in payments}
    late = [e["time"] - paid[e["transaction_id"]] for topic, e in world if topic is CHARGEBACKS]
    assert all(timedelta(0) < delay < HORIZON for delay in late)
    assert fmean(delay.days for delay in late) > 3


def test_stolen_payments_come_in_bursts_far_from_the_last_place_or_by_new_devices(payments, disputed):
    """As a rule, not always: the share among honest payments is small, but not nought."""
    known: dict[str, set[str]] = defaultdict(set)
    gaps: dict[bool, list[bool]] = {True: [], False: []}
    new: dict[bool, list[bool]] = {True: [], False: []}
    last: dict[str, dt.datetime] = {}
    for p in payments:
        stolen, who = p["transaction_id"] in disputed, p["customer_id"]
        if len(known[who]) > 1:
            new[stolen].append(p["device_id"] not in known[who])
        if who in last:
            gaps[stolen].append((p["time"] - last[who]) < timedelta(hours=2))
        if not stolen:
            known[who].add(p["device_id"])
        last[who] = p["time"]
    assert fmean(new[True]) > 0.5
    assert 0.05 > fmean(new[False]) > 0
    assert fmean(gaps[True]) > 3 * fmean(gaps[False]) > 0


def test_no_single_field_reveals_a_fraud(payments, disputed):
    """Whatever a category, channel, currency or place says, most payments that share it are honest."""
    for name in ("category", "channel", "currency", "merchant_id"):
        values = defaultdict(list)
        for p in payments:
            values[p[name]].append(p["transaction_id"] in disputed)
        assert all(fmean(found) < 0.5 for found in values.values() if len(found) >= 50)


def test_after_the_drift_thieves_take_small_amounts_with_the_owners_device():
    def stolen(drift_day):
        events = list(islice(shop.events(seed=6, customers=200, drift_day=drift_day), 50_000))
        disputed = {event["transaction_id"] for topic, event in events if topic is CHARGEBACKS}
        return [event for topic, event in events if topic is TRANSACTIONS and event["transaction_id"] in disputed]

    before, after = stolen(None), stolen(0)
    assert fmean(p["device_id"].startswith("x") for p in before) > 0.6
    assert fmean(p["device_id"].startswith("x") for p in after) < 0.5
    assert fmean(p["amount"] for p in after) < fmean(p["amount"] for p in before)
