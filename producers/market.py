"""A commodity exchange: hourly prices of a dozen symbols, from power to copper."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, exp, log, pi
from random import Random
from typing import NamedTuple

from streaming.topics import Topic
from streaming.usecase import Event
from usecases.market.events import PRICES

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_HOUR = dt.timedelta(hours=1)
_DAY, _WEEK = 24, 168


class Character(NamedTuple):
    """What is typical of a symbol; shares are of its price."""

    price: float
    """Where it comes back to in the long run."""
    volatility: float
    """Standard deviation of an hour's news."""
    day: float
    """How far the peak of the day lies above its mean."""
    week: float
    """How far a weekend lies below a working day."""
    momentum: float
    """The share of an hour's move that the next hour goes on with; below 0 it turns back."""
    pull: float
    """The share of a departure from the trend that is gone an hour later."""
    bounce: float
    """Standard deviation of the last deal around the price: between bid and ask."""


SYMBOLS = {
    "ALUMINIUM": Character(212.0, 0.0035, 0.006, 0.002, 0.55, 0.02, 0.0006),
    "CARBON": Character(71.0, 0.0060, 0.012, 0.008, 0.50, 0.03, 0.0012),
    "COAL": Character(104.0, 0.0035, 0.010, 0.008, 0.20, 0.02, 0.0045),
    "COCOA": Character(318.0, 0.0050, 0.012, 0.000, 0.50, 0.01, 0.0010),
    "COFFEE": Character(247.0, 0.0045, 0.015, 0.000, -0.45, 0.02, 0.0010),
    "COPPER": Character(431.0, 0.0030, 0.007, 0.002, 0.55, 0.02, 0.0005),
    "CORN": Character(4.4, 0.0045, 0.004, 0.003, -0.10, 0.02, 0.0040),
    "FREIGHT": Character(18.5, 0.0090, 0.002, 0.010, 0.65, 0.01, 0.0020),
    "GAS": Character(33.0, 0.0090, 0.035, 0.020, 0.40, 0.05, 0.0020),
    "POWER": Character(78.0, 0.0200, 0.160, 0.090, 0.30, 0.15, 0.0050),
    "SUGAR": Character(21.0, 0.0030, 0.006, 0.000, 0.00, 0.02, 0.0040),
    "WHEAT": Character(5.9, 0.0040, 0.004, 0.003, 0.15, 0.02, 0.0040),
}


class Regime(NamedTuple):
    """The mood of one symbol for some days."""

    drift: float
    """Share by which the trend moves in an hour."""
    nerves: float
    """Times the volatility."""


_MOODS = (Regime(0.0, 0.8), Regime(0.0, 1.1), Regime(0.0006, 0.9), Regime(-0.0006, 1.2), Regime(-0.0002, 2.2))
_LIKELY = (0.35, 0.25, 0.18, 0.14, 0.08)
_MOOD_LASTS_H = 96
_HOME_H = 1_500  # the trend comes back to the symbol's own price within some months
_SHARED = 0.35  # the share of an hour's news that is everybody's


@dataclass(frozen=True)
class Rules:
    """How the exchange works for a time."""

    momentum: float = 1.0
    """Times each symbol's own; below 0 what used to go on turns back."""
    peak: float = 18.0
    """The hour at which the day is dearest."""
    season: float = 1.0
    """Times the rhythms of day and week."""
    nerves: float = 1.0


BEFORE = Rules()
AFTER = Rules(momentum=-0.8, peak=9.0, season=1.3, nerves=1.2)


def events(*, seed: int = 42, drift_day: int | None = None) -> Iterator[tuple[Topic, Event]]:
    """Every price in order of time and symbol, one an hour for each.

    The same arguments give the same events. From `drift_day` (counted from the first day) on, prices turn back where
    they used to go on, and the day peaks in the morning. It ends with the year 9998.
    """
    rng = Random(seed)
    series = [_Series(rng, name, character) for name, character in SYMBOLS.items()]
    time, hour = START, 0
    while time.year < 9999:
        rules = AFTER if drift_day is not None and hour >= drift_day * _DAY else BEFORE
        shared = rng.gauss(0, 1)
        for one in series:
            yield PRICES, {"symbol": one.symbol, "time": time, "value": one.move(rng, time, shared, rules)}
        time, hour = time + _HOUR, hour + 1


class _Series:
    """One symbol: a trend that its mood moves, a departure from it with momentum, and the rhythm of day and week."""

    __slots__ = ("_away", "_character", "_digits", "_home", "_mood", "_move", "_trend", "symbol")

    def __init__(self, rng: Random, symbol: str, character: Character) -> None:
        self.symbol, self._character = symbol, character
        self._home = log(character.price) + rng.gauss(0, 0.1)
        self._trend = self._home + rng.gauss(0, 0.03)
        self._away, self._move = 0.0, 0.0
        self._mood = _MOODS[0]
        self._digits = 4 if character.price < 10 else 2

    def move(self, rng: Random, time: dt.datetime, shared: float, rules: Rules) -> float:
        """Live one hour; tells the last deal's price."""
        own = self._character
        if rng.random() < 1 / _MOOD_LASTS_H:
            self._mood = rng.choices(_MOODS, _LIKELY)[0]
        self._trend += self._mood.drift + (self._home - self._trend) / _HOME_H
        tail = exp(rng.gauss(0, 0.45))  # some hours bring much more news than others
        news = (_SHARED * shared + (1 - _SHARED) * rng.gauss(0, 1)) * tail
        fresh = news * own.volatility * self._mood.nerves * rules.nerves
        self._move = rules.momentum * own.momentum * self._move - own.pull * self._away + fresh
        self._away += self._move
        rhythm = rules.season * (own.day * _day(time, rules.peak) - own.week * (time.weekday() >= 5))
        deal = rng.gauss(0, own.bounce)
        return round(exp(self._trend + self._away + rhythm + deal), self._digits)


def _day(time: dt.datetime, peak: float) -> float:
    """The rhythm of a day: its dearest hour at `peak`, a smaller top half a day away; the mean is 0."""
    angle = 2 * pi * (time.hour - peak) / _DAY
    return 0.75 * cos(angle) + 0.25 * cos(2 * angle)
