"""The web shop's visitors: what a shopkeeper would look for."""

from collections import Counter, defaultdict
from datetime import timedelta
from itertools import islice, pairwise
from statistics import fmean, median

import pytest

from producers import web


@pytest.fixture(scope="module")
def world():
    return [event for _, event in islice(web.events(seed=4), 20_000)]


def test_time_only_goes_on(world):
    assert all(a["time"] < b["time"] for a, b in pairwise(world))


def test_four_thousand_interactions_span_two_days_or_more():
    events = [event for _, event in islice(web.events(), 4_000)]
    assert events[-1]["time"] - events[0]["time"] >= timedelta(days=2)


def test_a_session_is_one_visit_on_one_device(world):
    visits = defaultdict(list)
    for event in world:
        visits[event["session_id"]].append(event)
    for visit in visits.values():
        assert len({(event["device"], event["place"]) for event in visit}) == 1
        assert visit[-1]["time"] - visit[0]["time"] < timedelta(hours=12)
    assert 4 < fmean(len(visit) for visit in visits.values()) < 20


def test_only_what_was_in_the_cart_is_paid(world):
    carts = {(event["session_id"], event["product_id"]) for event in world if event["event_type"] == "cart"}
    paid = [event for event in world if event["event_type"] == "purchase"]
    assert paid
    assert all((event["session_id"], event["product_id"]) in carts for event in paid)


def test_long_looks_go_with_dear_goods_and_desktops_short_ones_with_phones(world):
    looks = [event for event in world if event["event_type"] == "view"]
    long, short = ([e for e in looks if (e["page_seconds"] > 60) is wanted] for wanted in (True, False))
    assert median(e["price"] for e in long) > 2 * median(e["price"] for e in short)
    assert fmean(e["device"] == "desktop" for e in long) > 2 * fmean(e["device"] == "desktop" for e in short)


def test_nights_are_quiet(world):
    hours = Counter(event["time"].hour for event in world)
    assert max(hours.values()) > 3 * min(hours.values())


def test_after_the_drift_most_come_by_phone(world):
    after = [event for _, event in islice(web.events(seed=4, drift_day=0), 20_000)]
    phones = [fmean(event["device"] == "phone" for event in events) for events in (world, after)]
    assert phones[1] > phones[0] + 0.2
