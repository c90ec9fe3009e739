"""The commodity exchange: what a person who knows the business would look for."""

import datetime as dt
from collections import defaultdict
from itertools import islice, pairwise
from statistics import fmean

import pytest

from producers import market
from usecases.market.forecast import Forecast


def series(count: int, **options) -> dict[str, list[float]]:
    """The first values of each symbol."""
    found = defaultdict(list)
    for _, event in islice(market.events(**options), count * len(market.SYMBOLS)):
        found[event["symbol"]].append(event["value"])
    return found


@pytest.fixture(scope="module")
def half_year() -> dict[str, list[float]]:
    """Hourly prices of 180 days, from a Thursday on."""
    return series(180 * 24, seed=1)


def echo(values: list[float], lag: int = 1) -> float:
    """The correlation of a change with the one `lag` hours before it."""
    changes = [new - old for old, new in pairwise(values)]
    return sum(a * b for a, b in zip(changes, changes[lag:], strict=False)) / sum(a * a for a in changes)


def test_every_symbol_has_a_price_each_hour_in_order():
    """By time, then symbol, so that the last one tells what has been sent; four thousand span two horizons."""
    events = [event for _, event in islice(market.events(), 4_000)]
    places = [(event["time"], event["symbol"]) for event in events]
    assert all(earlier < later for earlier, later in pairwise(places))
    assert {event["symbol"] for event in events[:12]} == set(market.SYMBOLS)
    assert events[12]["time"] - events[0]["time"] == dt.timedelta(hours=1)
    assert events[-1]["time"] - events[0]["time"] > 2 * Forecast.horizon


def test_scales_differ_and_prices_stay_near_home(half_year):
    """From a few units to hundreds; after half a year no price is gone, or several times its own."""
    means = {symbol: fmean(values) for symbol, values in half_year.items()}
    assert max(means.values()) > 50 * min(means.values())
    for symbol, values in half_year.items():
        home = market.SYMBOLS[symbol].price
        assert home / 3 < min(values) < max(values) < home * 3


def test_power_is_dear_in_the_evening_and_cheap_at_weekends(half_year):
    """The rhythm of day and week."""
    hours, days = defaultdict(list), defaultdict(list)
    for at, value in enumerate(half_year["POWER"]):
        time = market.START + dt.timedelta(hours=at)
        hours[time.hour].append(value)
        days[time.weekday() >= 5].append(value)
    assert fmean(hours[18]) > 1.15 * fmean(hours[2])
    assert fmean(days[True]) < 0.95 * fmean(days[False])


def test_some_prices_go_on_and_some_turn_back(half_year):
    """Freight has momentum, coffee overreacts, and the last deals of sugar jump between bid and ask."""
    assert echo(half_year["FREIGHT"]) > 0.4
    assert echo(half_year["COFFEE"]) < -0.15
    assert echo(half_year["SUGAR"]) < -0.2


def test_there_are_nervous_times(half_year):
    """The liveliest week of copper moves twice as much as the calmest."""
    moves = [abs(new - old) for old, new in pairwise(half_year["COPPER"])]
    weeks = [fmean(moves[at : at + 168]) for at in range(0, len(moves) - 168, 168)]
    assert max(weeks) > 2 * min(weeks)


def test_symbols_move_together(half_year):
    """A part of the news is everybody's."""
    changes = [[new / old - 1 for old, new in pairwise(half_year[symbol])] for symbol in ("COPPER", "ALUMINIUM")]
    product = fmean(a * b for a, b in zip(*changes, strict=True))
    size = (fmean(a * a for a in changes[0]) * fmean(b * b for b in changes[1])) ** 0.5
    assert product / size > 0.15


def test_drift_turns_habits_around_from_its_day_on():
    """Until the day of drift the world is the same; from then on freight turns back where it used to go on."""
    steady, drifting = series(1_440, seed=2), series(1_440, seed=2, drift_day=30)
    assert all(drifting[symbol][:720] == steady[symbol][:720] for symbol in market.SYMBOLS)
    assert echo(steady["FREIGHT"][720:]) > 0.3
    assert echo(drifting["FREIGHT"][720:]) < -0.2


def test_it_ends_before_the_calendar(monkeypatch):
    """The world ends in order before dates do."""
    monkeypatch.setattr(market, "START", dt.datetime(9998, 12, 31, 20, tzinfo=dt.UTC))
    assert [event["time"].hour for _, event in market.events()][-1] == 23
