"""The market of cards: what a person who knows the business would look for."""

import datetime as dt
from itertools import islice, pairwise
from math import log
from statistics import fmean, median

import pytest

from producers import cards
from streaming.topics import Topic
from streaming.usecase import Event
from usecases.cards.events import LISTINGS, SALES
from usecases.cards.fair_price import FairPrice


def world(count: int, **options) -> list[tuple[Topic, Event]]:
    """The first events."""
    return list(islice(cards.events(**options), count))


@pytest.fixture(scope="module")
def year() -> list[tuple[Topic, Event]]:
    """Most of a year."""
    return world(40_000, seed=1)


def sold_of(events) -> list[tuple[Event, Event]]:
    """Each listing with its sale."""
    listings = {event["listing_id"]: event for topic, event in events if topic is LISTINGS}
    return [(listings[event["listing_id"]], event) for topic, event in events if topic is SALES]


@pytest.fixture(scope="module")
def sold(year) -> list[tuple[Event, Event]]:
    return sold_of(year)


def price(pairs, **wanted):
    """The median price of cards like this."""
    found = [sale["price"] for card, sale in pairs if all(card[name] == value for name, value in wanted.items())]
    assert len(found) > 30
    return median(found)


def test_order_of_each_topic(year):
    """Within a topic events rise by (time, listing), so that the last one tells what has been sent."""
    for topic in (SALES, LISTINGS):
        places = [(event["time"], event["listing_id"]) for of, event in year if of is topic]
        assert all(earlier < later for earlier, later in pairwise(places))


def test_sales_come_first_at_a_moment(year):
    """Over both topics events rise by (time, listing after sale)."""
    places = [(event["time"], topic is LISTINGS) for topic, event in year]
    assert places == sorted(places)


def test_four_thousand_events_span_two_horizons():
    """By default 4,000 events last for twice the time that an answer is waited for, at least."""
    events = world(4_000)
    assert events[-1][1]["time"] - events[0][1]["time"] > 2 * FairPrice.horizon


def test_a_part_is_sold_within_the_horizon(year, sold):
    """Between half and four fifths of the listings, each once, and none later than an answer is waited for."""
    assert 0.5 < len(sold) / sum(topic is LISTINGS for topic, _ in year) < 0.8
    assert len({sale["listing_id"] for _, sale in sold}) == len(sold)
    assert all(card["time"] < sale["time"] <= card["time"] + FairPrice.horizon for card, sale in sold)


def test_what_is_dear(sold):
    """Rarity, condition and a high grade raise the price, and one set is worth more than another."""
    plain = {"set": "ember", "grade": 0, "condition": "near_mint"}
    by_rarity = [price(sold, **plain, rarity=rarity) for rarity in ("common", "uncommon", "rare", "epic")]
    assert by_rarity == sorted(by_rarity)
    by_condition = [
        price(sold, rarity="rare", grade=0, condition=condition) for condition in ("played", "good", "mint")
    ]
    assert by_condition == sorted(by_condition)
    assert price(sold, rarity="rare", grade=10) > 1.5 * price(sold, rarity="rare", grade=0, condition="mint")
    assert price(sold, set="origins", rarity="rare") > 2 * price(sold, set="ember", rarity="rare")


def test_only_good_cards_are_graded(year):
    """Nobody pays for the grading of a worn one."""
    graded = {event["condition"] for topic, event in year if topic is LISTINGS and event["grade"]}
    assert graded == {"near_mint", "mint"}


def test_the_market_price_does_not_reveal_the_sale(sold):
    """Fewer than half of the market prices are within 10 % of the sale, though half are within 25 %."""
    errors = [abs(card["market_price"] / sale["price"] - 1) for card, sale in sold]
    assert sum(error <= 0.1 for error in errors) < 0.5 * len(errors)
    assert median(errors) < 0.25


def test_shops_ask_more_than_private_sellers(sold):
    """For what a buyer pays in the end."""
    asked = {
        kind: fmean(log(card["market_price"] / sale["price"]) for card, sale in sold if card["seller"] == kind)
        for kind in ("auction", "private", "shop")
    }
    assert asked["auction"] < asked["private"] < asked["shop"]


def test_what_is_too_dear_stays(sold):
    """Cards that were listed for long are sold further under the market price."""
    fresh, old = (
        fmean(log(sale["price"] / card["market_price"]) for card, sale in sold if inside(card["days_listed"]))
        for inside in ((1.0).__gt__, (6.0).__lt__)
    )
    assert old < fresh - 0.05


def test_drift_changes_what_is_paid_from_its_day_on():
    """Until its day the market is the same; then what is paid for a set falls, and asking prices follow it."""
    steady, drifting = world(12_000, seed=2), world(12_000, seed=2, drift_day=30)
    turn = cards.START + dt.timedelta(days=30)
    before = [event for topic, event in steady if topic is LISTINGS and event["time"] < turn]
    same = [event for topic, event in drifting if topic is LISTINGS and event["time"] < turn]
    assert same == before

    def ratio(since: int, until: int):
        early, late = (turn + dt.timedelta(days=day) for day in (since, until))
        found = [p for p in sold_of(drifting) if p[0]["set"] == "crown" and early <= p[0]["time"] < late]
        return fmean(log(sale["price"] / card["market_price"]) for card, sale in found)

    assert ratio(0, 7) < ratio(-30, 0) - 0.2
    assert ratio(35, 60) > ratio(0, 7) + 0.1


def test_it_ends_before_the_calendar(monkeypatch):
    """The market ends in order before dates do."""
    monkeypatch.setattr(cards, "START", dt.datetime(9998, 12, 25, tzinfo=dt.UTC))
    events = list(cards.events())
    assert events[-1][1]["time"].year >= 9998
    assert sum(topic is LISTINGS for topic, _ in events) > 50
