"""A world of card payments: people with habits, journeys and new phones; thieves; owners who dispute, days later."""

import datetime as dt
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import cos, exp, radians
from random import Random

from streaming.topics import Topic
from streaming.usecase import Event
from usecases.shop.events import CHARGEBACKS, TRANSACTIONS

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CUSTOMERS = 60
_DAY_S = 86_400
# City, latitude, longitude, currency.
_CITIES = (
    ("Berlin", 52.52, 13.40, "EUR"),
    ("Hamburg", 53.55, 9.99, "EUR"),
    ("Paris", 48.86, 2.35, "EUR"),
    ("Madrid", 40.42, -3.70, "EUR"),
    ("Vienna", 48.21, 16.37, "EUR"),
    ("London", 51.51, -0.13, "GBP"),
    ("New York", 40.71, -74.01, "USD"),
    ("Miami", 25.76, -80.19, "USD"),
)
_HOMES = 5  # customers live in the first of them
# Category: share of payments, usual amount (EUR), its spread (log), share paid online, merchants.
_CATEGORIES = {
    "grocery": (0.38, 32.0, 0.6, 0.08, 60),
    "fuel": (0.10, 55.0, 0.3, 0.0, 30),
    "restaurant": (0.20, 28.0, 0.6, 0.15, 80),
    "clothing": (0.10, 60.0, 0.7, 0.5, 50),
    "electronics": (0.06, 140.0, 0.9, 0.6, 30),
    "travel": (0.04, 260.0, 0.8, 0.8, 20),
    "gift_cards": (0.03, 40.0, 0.5, 0.7, 12),
    "games": (0.09, 18.0, 0.7, 1.0, 25),
}
_NAMES = tuple(_CATEGORIES)


@dataclass(frozen=True)
class Thieves:
    """How fraud is done for a time."""

    attacks: float = 0.0030
    """A customer's chance to be attacked on a day."""
    payments: float = 3.2
    """Payments of an attack, on average."""
    foreign_device: float = 0.8
    far: float = 0.65
    """The share of attacks from another city."""
    amount: float = 2.4
    """Times the usual amount of the category."""
    pause_s: float = 1_500.0
    tastes: tuple[tuple[str, float], ...] = (
        ("electronics", 0.4),
        ("gift_cards", 0.3),
        ("games", 0.15),
        ("clothing", 0.15),
    )


BEFORE = Thieves()
# Card numbers are tested with small amounts, from addresses near the owner's, with the owner's browser imitated.
AFTER = Thieves(
    attacks=0.0036,
    payments=5.0,
    foreign_device=0.35,
    far=0.25,
    amount=0.9,
    pause_s=240.0,
    tastes=(("travel", 0.4), ("grocery", 0.25), ("games", 0.2), ("gift_cards", 0.15)),
)


def events(
    *, seed: int = 42, customers: int = CUSTOMERS, drift_day: int | None = None
) -> Iterator[tuple[Topic, Event]]:
    """Every payment and every dispute in the order of their time; at one moment disputes come first.

    The same arguments give the same events. From `drift_day` (counted from the first day) on, thieves work differently.
    It ends with the year 9998.
    """
    world = _World(Random(seed), customers)
    for day in range((dt.datetime(9998, 1, 1, tzinfo=dt.UTC) - START).days):
        yield from world.day(day, AFTER if drift_day is not None and day >= drift_day else BEFORE)


@dataclass
class _Customer:
    """Habits that are drawn once, and what changes now and then."""

    id: str
    opened: int
    """The day of the account's opening, counted from the first day."""
    home: int
    latitude: float
    longitude: float
    rate: float
    level: float
    device: str
    usual: dict[str, list[int]] = field(default_factory=dict)
    """Merchants by category that the customer goes back to."""
    away: int | None = None
    back: int = 0
    devices: int = 1


class _World:
    """All that lives: customers, merchants, disputes to come."""

    def __init__(self, rng: Random, customers: int) -> None:
        self._rng = rng
        self._number = 0
        self._last = {TRANSACTIONS.name: 0.0, CHARGEBACKS.name: 0.0}
        self._disputes: list[tuple[float, str, str]] = []
        self._customers = [self._customer(number) for number in range(1, customers + 1)]

    def day(self, day: int, thieves: Thieves) -> Iterator[tuple[Topic, Event]]:
        """One day: everybody pays, some are robbed."""
        rng, found = self._rng, []
        for customer in self._customers:
            self._live(customer, day)
            paid = range(_poisson(rng, customer.rate))
            found += [(self._moment(day), customer, self._payment(customer)) for _ in paid]
            if rng.random() < thieves.attacks:
                found += self._attack(customer, day, thieves)
        found.sort(key=lambda one: (one[0], one[1].id))
        for moment, customer, made in found:
            yield from self._due(moment)
            yield TRANSACTIONS, self._event(moment, customer, day, made)
        yield from self._due((day + 1) * _DAY_S - 1)

    def _customer(self, number: int) -> _Customer:
        rng = self._rng
        home = rng.randrange(_HOMES)
        _, latitude, longitude, _ = _CITIES[home]
        customer = _Customer(
            id=f"K{number:07d}",
            opened=-rng.randrange(20, 3_000),
            home=home,
            latitude=latitude + rng.gauss(0, 0.05),
            longitude=longitude + rng.gauss(0, 0.05),
            rate=0.5 * exp(rng.gauss(0, 0.5)),
            level=exp(rng.gauss(0, 0.4)),
            device=f"K{number:07d}-1",
        )
        for name, (_, _, _, _, merchants) in _CATEGORIES.items():
            customer.usual[name] = [rng.randrange(merchants) for _ in range(4)]
        return customer

    def _live(self, customer: _Customer, day: int) -> None:
        """Journeys and new phones: what is unusual and honest."""
        rng = self._rng
        if customer.away is not None and day >= customer.back:
            customer.away = None
        if customer.away is None and rng.random() < 1 / 90:
            customer.away, customer.back = rng.randrange(len(_CITIES)), day + rng.randrange(2, 12)
        if rng.random() < 1 / 400:
            customer.devices += 1
            customer.device = f"{customer.id}-{customer.devices}"

    def _moment(self, day: int) -> float:
        """Most pay by day: around one and around seven."""
        rng = self._rng
        hour = rng.gauss(13, 3) if rng.random() < 0.55 else rng.gauss(19, 2.2)
        return day * _DAY_S + int(min(23.99, max(0.0, hour)) * 3_600)

    def _payment(self, customer: _Customer) -> Event:
        """What the owner pays: mostly where they always do."""
        rng = self._rng
        name = rng.choices(_NAMES, [share for share, *_ in _CATEGORIES.values()])[0]
        _, usual, spread, online, merchants = _CATEGORIES[name]
        if customer.away is not None and name in ("restaurant", "grocery"):
            online = 0.0
        at = rng.choice(customer.usual[name]) if rng.random() < 0.75 else rng.randrange(merchants)
        remote = rng.random() < online
        city = customer.home if remote or customer.away is None else customer.away
        amount = usual * customer.level * exp(rng.gauss(0, spread))
        if rng.random() < 0.015:
            amount *= 5  # a wedding, a new kitchen
        return {
            "category": name,
            "merchant_id": f"{name}-{city if not remote else 'web'}-{at}",
            "amount": round(max(0.5, amount), 2),
            "currency": _CITIES[city][3],
            "channel": "online" if remote else "cash_machine" if rng.random() < 0.04 else "store",
            "device_id": customer.device if remote or rng.random() < 0.3 else f"{customer.id}-card",
            **self._near(customer, city),
            "stolen": False,
        }

    def _attack(self, customer: _Customer, day: int, thieves: Thieves) -> list[tuple[float, _Customer, Event]]:
        """Some payments soon after one another, at any hour, with what the thief has of the owner's."""
        rng = self._rng
        moment = day * _DAY_S + rng.randrange(_DAY_S)
        city = rng.randrange(len(_CITIES)) if rng.random() < thieves.far else customer.home
        device = f"x{rng.randrange(10**6)}" if rng.random() < thieves.foreign_device else customer.device
        found = []
        for _ in range(1 + _poisson(rng, thieves.payments - 1)):
            name = rng.choices([taste for taste, _ in thieves.tastes], [share for _, share in thieves.tastes])[0]
            _, usual, spread, _, merchants = _CATEGORIES[name]
            remote = rng.random() < 0.8
            made = {
                "category": name,
                "merchant_id": f"{name}-{'web' if remote else city}-{rng.randrange(merchants)}",
                "amount": round(max(0.5, usual * thieves.amount * exp(rng.gauss(0, spread))), 2),
                "currency": _CITIES[city][3],
                "channel": "online" if remote else "store",
                "device_id": device,
                **self._near(customer, city),
                "stolen": True,
            }
            found.append((float(min(moment, (day + 1) * _DAY_S - 1)), customer, made))
            moment += int(rng.expovariate(1 / thieves.pause_s))
        return found

    def _near(self, customer: _Customer, city: int) -> Event:
        """A place in that city; at home within a few kilometres of the address."""
        rng = self._rng
        latitude, longitude = (customer.latitude, customer.longitude) if city == customer.home else _CITIES[city][1:3]
        return {
            "latitude": round(latitude + rng.gauss(0, 0.02), 5),
            "longitude": round(longitude + rng.gauss(0, 0.02) / cos(radians(latitude)), 5),
        }

    def _event(self, moment: float, customer: _Customer, day: int, made: Event) -> Event:
        """The payment as the network sees it; the owner's dispute, if there will be one, is noted."""
        self._number += 1
        id = f"T{self._number:010d}"  # the field's own word
        stolen = made.pop("stolen")
        self._note(moment, id, customer.id, stolen=stolen)
        return {
            "transaction_id": id,
            "time": self._time(TRANSACTIONS, moment),
            "customer_id": customer.id,
            "account_age_days": day - customer.opened,
            **made,
        }

    def _note(self, moment: float, id: str, customer: str, *, stolen: bool) -> None:  # as above
        """Of what was stolen nine in ten are disputed, most within two weeks; of the rest one in a thousand."""
        rng = self._rng
        if rng.random() < (0.92 if stolen else 0.0008):
            after_days = min(44.0, rng.gammavariate(2.0, 5.0) + 0.2)
            heapq.heappush(self._disputes, (moment + int(after_days * _DAY_S), id, customer))

    def _due(self, moment: float) -> Iterator[tuple[Topic, Event]]:
        """The disputes up to this moment."""
        while self._disputes and self._disputes[0][0] <= moment:
            when, id, customer = heapq.heappop(self._disputes)
            event = {"transaction_id": id, "time": self._time(CHARGEBACKS, when), "customer_id": customer}
            yield CHARGEBACKS, event

    def _time(self, topic: Topic, moment: float) -> dt.datetime:
        """The moment, or a millisecond after the topic's last one: no two events of a topic share theirs."""
        self._last[topic.name] = moment = max(moment, self._last[topic.name] + 0.001)
        return START + dt.timedelta(milliseconds=round(moment * 1_000))


def _poisson(rng: Random, mean: float) -> int:
    """Knuth's way: fine for small means."""
    limit, k, p = exp(-mean), 0, rng.random()
    while p > limit:
        k += 1
        p *= rng.random()
    return k
