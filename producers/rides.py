"""A city of rides: who wants to go where, and when they arrive."""

import datetime as dt
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, exp, hypot, radians
from random import Random
from typing import NamedTuple

from streaming.topics import Topic
from streaming.usecase import Event
from usecases.rides.events import ARRIVALS, REQUESTS

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
_RIDES_A_DAY = 1_000
_DRIVERS = 120
_LATITUDE, _LONGITUDE = 48.2, 16.37
_KM_A_DEGREE = 111.2
_TICK = dt.timedelta(milliseconds=1)
_LONGEST_MIN = 240.0
_HOUR_S = 3_600.0


class _Point(NamedTuple):
    """A place, kilometres east and north of the town hall."""

    x: float
    y: float


class _Zone(NamedTuple):
    """A part of the city: place, how far it reaches (km), share of the rides, minutes until a driver comes."""

    name: str
    at: _Point
    reach: float
    share: float
    wait: float


_ZONES = (
    _Zone("airport", _Point(-11.0, 6.5), 0.8, 0.09, 4.0),
    _Zone("centre", _Point(0.0, 0.0), 1.0, 0.20, 3.0),
    _Zone("docks", _Point(3.5, -4.5), 1.2, 0.05, 7.0),
    _Zone("east-bank", _Point(3.0, 1.0), 1.3, 0.13, 4.5),
    _Zone("garden-city", _Point(6.5, 3.5), 1.8, 0.08, 7.5),
    _Zone("hills", _Point(-5.5, -4.0), 1.8, 0.07, 8.0),
    _Zone("old-town", _Point(-1.0, 0.8), 0.7, 0.12, 3.5),
    _Zone("station", _Point(-1.5, -1.5), 0.6, 0.13, 2.5),
    _Zone("university", _Point(-2.5, 3.0), 1.2, 0.13, 4.0),
)
_SHARES = [zone.share for zone in _ZONES]
_RIVER = 1.5
"""It runs from north to south, so many kilometres east of the town hall."""
_WEATHER = ("clear", "rain", "snow", "fog")
_WEATHER_SHARES = (0.5, 0.3, 0.1, 0.1)
_WEATHER_HOURS = {"clear": 9.0, "rain": 5.0, "snow": 6.0, "fog": 3.0}
_SLOWER = {"clear": 1.0, "rain": 1.13, "snow": 1.45, "fog": 1.18}
_VEHICLES, _VEHICLE_SHARES = ("scooter", "car", "van"), (0.15, 0.7, 0.15)


@dataclass(frozen=True)
class Regime:
    """How one drives through the city for a time."""

    bridges: tuple[_Point, ...] = (_Point(_RIVER, -0.5), _Point(_RIVER, 4.5))
    centre: float = 1.0
    """Factor on the minutes that a kilometre through the centre takes longer."""
    outside: float = 1.0
    """Factor on the minutes that a kilometre takes anywhere."""
    rush: float = 1.0
    """Weight of the rush hours."""


BEFORE = Regime()
# The centre is dug up, and a ring road with a bridge of its own is open: who goes through is slow, who goes round fast.
AFTER = Regime(
    bridges=(_Point(_RIVER, -4.0), _Point(_RIVER, -0.5), _Point(_RIVER, 4.5)), centre=1.5, outside=0.6, rush=0.8
)


def events(*, seed: int = 42, drift_day: int | None = None) -> Iterator[tuple[Topic, Event]]:
    """Requests and arrivals in order of time, an arrival first; some requests are cancelled and have none.

    The same arguments give the same events. From `drift_day` (counted from the first day) on, the centre is
    dug up and a ring road is open. It ends with the year 9998.
    """
    city = _City(seed)
    driving: list[tuple[dt.datetime, str, int, Event]] = []
    last, now, number = START, START, 0
    while now.year < 9_999:
        now = max(now + city.gap(now), now + _TICK)
        while driving and driving[0][0] <= now:
            time, _, _, event = heapq.heappop(driving)
            last = event["time"] = max(time, last + _TICK)
            yield ARRIVALS, event
        if last >= now:
            continue
        number += 1
        regime = AFTER if drift_day is not None and (now - START).days >= drift_day else BEFORE
        request, arrival = city.ride(number, now, regime)
        yield REQUESTS, request
        if arrival is not None:
            heapq.heappush(driving, (arrival["time"], arrival["pickup_zone"], number, arrival))


class _Driver(NamedTuple):
    """Who drives: how slowly is what no event shows; the rating tells a part of it."""

    slowness: float
    rating: float
    vehicle: str


class _City:
    """Weather, traffic and drivers as they are at a moment."""

    def __init__(self, seed: int) -> None:
        self._rng = rng = Random(seed)
        self._drivers = [self._hire() for _ in range(_DRIVERS)]
        self._weather, self._weather_until = "clear", START + dt.timedelta(hours=rng.expovariate(1 / 9))
        self._traffic = {zone.name: rng.gauss(0, 0.2) for zone in _ZONES}
        self._city_traffic = 0.0
        self._hour = START

    def gap(self, now: dt.datetime) -> dt.timedelta:
        """How long until the next request: many in the rush hours and on Friday night, few before dawn."""
        a_second = _RIDES_A_DAY / 86_400 * _demand(now)
        return dt.timedelta(milliseconds=round(1_000 * self._rng.expovariate(a_second)))

    def ride(self, number: int, now: dt.datetime, regime: Regime) -> tuple[Event, Event | None]:
        """The next request, and its arrival unless the passenger cancels."""
        self._live_until(now)
        rng = self._rng
        zone = rng.choices(_ZONES, _SHARES)[0]
        origin = self._somewhere(zone)
        destination = self._somewhere(rng.choices(_ZONES, _SHARES)[0])
        if hypot(destination.x - origin.x, destination.y - origin.y) < 0.4:
            destination = _Point(destination.x + 0.6, destination.y - 0.5)
        driver = rng.choice(self._drivers)
        if rng.random() < 0.002:
            self._drivers[rng.randrange(_DRIVERS)] = self._hire()
        id = f"R{number:010d}"
        common = {"ride_id": id, "pickup_zone": zone.name}
        request = {**common, "time": now, **_coordinates("pickup", origin), **_coordinates("dropoff", destination)}
        request |= {"weather": self._weather, "driver_rating": driver.rating, "vehicle": driver.vehicle}
        km = self._driven(origin, destination, regime)
        waiting, driving = (
            self._waiting(zone, now, regime),
            self._driving(origin, destination, km, zone, driver, now, regime),
        )
        if rng.random() < 0.02 + 0.008 * waiting:
            return request, None
        minutes = round(min(_LONGEST_MIN, waiting + driving), 2)
        time = now + dt.timedelta(milliseconds=round(60_000 * minutes))
        return request, {**common, "time": time, "minutes": minutes, "km": round(km, 2)}

    def _live_until(self, now: dt.datetime) -> None:
        """Weather comes in episodes; traffic is much what it was an hour ago."""
        rng = self._rng
        while self._weather_until <= now:
            self._weather = rng.choices(_WEATHER, _WEATHER_SHARES)[0]
            self._weather_until += dt.timedelta(hours=rng.expovariate(1 / _WEATHER_HOURS[self._weather]))
        while self._hour <= now:
            self._city_traffic = 0.9 * self._city_traffic + rng.gauss(0, 0.04)
            for name, level in self._traffic.items():
                self._traffic[name] = 0.93 * level + rng.gauss(0, 0.075)
            self._hour += dt.timedelta(hours=1)

    def _hire(self) -> _Driver:
        rng = self._rng
        slowness = rng.gauss(0, 0.09)
        rating = min(5.0, max(1.0, round(4.5 - 2.5 * slowness + rng.gauss(0, 0.2), 1)))
        return _Driver(slowness, rating, rng.choices(_VEHICLES, _VEHICLE_SHARES)[0])

    def _somewhere(self, zone: _Zone) -> _Point:
        return _Point(self._rng.gauss(zone.at.x, zone.reach / 2), self._rng.gauss(zone.at.y, zone.reach / 2))

    def _driven(self, origin: _Point, destination: _Point, regime: Regime) -> float:
        """Kilometres by street; from bank to bank it goes over the bridge that is least out of the way."""
        ways = [hypot(destination.x - origin.x, destination.y - origin.y)]
        if (origin.x < _RIVER) != (destination.x < _RIVER):
            ways = [
                hypot(bridge.x - origin.x, bridge.y - origin.y)
                + hypot(destination.x - bridge.x, destination.y - bridge.y)
                for bridge in regime.bridges
            ]
        return 1.22 * min(ways) * exp(self._rng.gauss(0, 0.06)) + 0.2

    def _waiting(self, zone: _Zone, now: dt.datetime, regime: Regime) -> float:
        """Minutes until the driver is there: long where drivers are few, when all want one, and in the rain."""
        busy = 1 + 0.6 * regime.rush * _rush(now) + (0.35 if self._weather in ("rain", "snow") else 0.0)
        return zone.wait * busy * exp(self._rng.gauss(-0.06, 0.35))

    def _driving(  # a ride is these things
        self,
        origin: _Point,
        destination: _Point,
        km: float,
        zone: _Zone,
        driver: _Driver,
        now: dt.datetime,
        regime: Regime,
    ) -> float:
        """Minutes on the way: slow through the centre and in the rush hours, fast on the long roads outside."""
        middle = _Point((origin.x + destination.x) / 2, (origin.y + destination.y) / 2)
        out = min(hypot(*origin), hypot(*middle), hypot(*destination))
        a_km = 1.35 * regime.outside + 1.9 * regime.centre * exp(-out / 2.0)
        a_km *= 1 - 0.3 * min(1.0, max(0.0, (km - 5) / 10))
        jam = self._traffic[zone.name] + self._city_traffic + 0.45 * regime.rush * _rush(now)
        jam *= 0.4 if driver.vehicle == "scooter" else 1.0
        slower = _SLOWER[self._weather] * (1.2 if driver.vehicle == "van" else 1.0)
        slower *= 1.25 if driver.vehicle == "scooter" and km > 6 else 1.0
        accident = self._rng.uniform(1.3, 2.2) if self._rng.random() < 0.015 else 1.0
        return 1.0 + a_km * km * slower * accident * exp(jam + driver.slowness + self._rng.gauss(0, 0.09))


def _demand(now: dt.datetime) -> float:
    """Requests an hour to those of a mean hour."""
    hour = now.hour + now.minute / 60
    night = 1.6 if now.weekday() in (4, 5) and hour >= 20 else 0.0
    return 0.35 + 0.65 * (6 < hour < 22) + 1.3 * _rush(now) + night


def _rush(now: dt.datetime) -> float:
    """How much of a rush hour this is, 0 to 1: about 8 and 17:30, at weekends a little in the afternoon."""
    hour = now.hour + now.minute / 60
    if now.weekday() >= 5:
        return 0.35 * exp(-(((hour - 15) / 2.5) ** 2))
    return exp(-(((hour - 8) / 1.1) ** 2)) + 0.9 * exp(-(((hour - 17.5) / 1.5) ** 2))


def _coordinates(what: str, point: _Point) -> dict[str, float]:
    """Degrees of a place, to about ten metres."""
    east = _KM_A_DEGREE * cos(radians(_LATITUDE))
    return {
        f"{what}_lat": round(_LATITUDE + point.y / _KM_A_DEGREE, 4),
        f"{what}_lon": round(_LONGITUDE + point.x / east, 4),
    }
