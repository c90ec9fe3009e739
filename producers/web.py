"""A web shop and those who visit it: each with a manner of shopping, which the shop does not know."""

import datetime as dt
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import cos, exp, pi
from random import Random

from streaming.topics import Topic
from streaming.usecase import Event
from usecases.web.events import INTERACTIONS

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
SESSIONS_A_DAY = 150
_HOUR_S, _DAY_S = 3_600, 86_400
# Category: usual price (EUR), its spread (log), products.
_CATEGORIES = {
    "electronics": (180.0, 0.9, 300),
    "fashion": (45.0, 0.6, 800),
    "groceries": (4.0, 0.7, 500),
    "home": (60.0, 0.8, 400),
    "toys": (22.0, 0.5, 250),
}
_NAMES = tuple(_CATEGORIES)
_DEVICES = ("phone", "tablet", "desktop")
_PLACES = ("africa", "america", "asia", "europe")
_PLACE_SHARES = (0.06, 0.24, 0.2, 0.5)


@dataclass(frozen=True)
class Manner:
    """How some people shop. Shares need not add up to one."""

    share: float
    pages: float
    """Pages of a visit, on average."""
    tastes: tuple[float, ...]
    """By category."""
    devices: tuple[float, ...]
    price: float
    """Times the usual price of the category."""
    page_s: float
    """The usual time on a page, seconds."""
    cart: float
    """The share of pages whose product goes into the cart."""
    buy: float
    """The share of products in the cart that are paid."""
    pieces: float
    evening: float
    """The hour at which most of them come, UTC."""


# Tastes: electronics, fashion, groceries, home, toys. Devices: phone, tablet, desktop.
_MANNERS = {
    "passing by": Manner(0.34, 4, (0.2, 0.5, 0.05, 0.15, 0.1), (0.85, 0.1, 0.05), 0.8, 9, 0.03, 0.2, 1.0, 21),
    "comparing": Manner(0.20, 14, (0.75, 0.02, 0.0, 0.2, 0.03), (0.1, 0.15, 0.75), 1.6, 95, 0.06, 0.4, 1.0, 20),
    "weekly shop": Manner(0.18, 16, (0.0, 0.02, 0.9, 0.06, 0.02), (0.4, 0.3, 0.3), 0.9, 14, 0.75, 0.95, 4.0, 18),
    "gifts": Manner(0.12, 7, (0.1, 0.1, 0.02, 0.08, 0.7), (0.35, 0.5, 0.15), 1.2, 45, 0.3, 0.8, 1.2, 13),
    "resellers": Manner(0.06, 9, (0.3, 0.6, 0.0, 0.05, 0.05), (0.05, 0.0, 0.95), 0.5, 5, 0.8, 0.9, 25.0, 9),
    "sending back": Manner(0.10, 3, (0.15, 0.7, 0.0, 0.1, 0.05), (0.6, 0.1, 0.3), 1.1, 30, 0.0, 0.0, 1.0, 11),
}
# Phones have won, prices have risen, films of a few seconds sell, and resellers are shut out.
_AFTER = {
    "passing by": replace(_MANNERS["passing by"], share=0.2, devices=(1.0, 0.0, 0.0), price=1.3),
    "comparing": replace(_MANNERS["comparing"], share=0.14, devices=(0.8, 0.1, 0.1), price=2.2, page_s=40),
    "weekly shop": replace(_MANNERS["weekly shop"], devices=(0.9, 0.05, 0.05), price=1.4, pieces=7.0),
    "gifts": replace(_MANNERS["gifts"], price=1.8),
    "sending back": _MANNERS["sending back"],
    "by film": Manner(0.30, 5, (0.1, 0.6, 0.05, 0.05, 0.2), (1.0, 0.0, 0.0), 0.4, 3, 0.5, 0.85, 1.5, 23),
}


def events(*, seed: int = 42, drift_day: int | None = None) -> Iterator[tuple[Topic, Event]]:
    """Every interaction in the order of time; no two share their moment.

    The same arguments give the same events. From `drift_day` (counted from the first day) on people shop otherwise.
    It ends with the year 9998.
    """
    rng = Random(seed)
    waiting: list[tuple[float, int, Event]] = []
    number, last = 0, 0.0
    for day in range((dt.datetime(9998, 1, 1, tzinfo=dt.UTC) - START).days):
        manners = _AFTER if drift_day is not None and day >= drift_day else _MANNERS
        starts = sorted(_visits(rng, day, manners), key=lambda visit: visit[0])
        for moment, manner in starts:
            while waiting and waiting[0][0] <= moment:
                last = yield_time = max(waiting[0][0], last + 0.001)
                yield INTERACTIONS, _dated(heapq.heappop(waiting)[2], yield_time)
            number += 1
            for at, page in enumerate(_visit(rng, manner, f"S{number:09d}", moment)):
                heapq.heappush(waiting, (page[0], number * 1_000 + at, page[1]))


def _visits(rng: Random, day: int, manners: dict[str, Manner]) -> Iterator[tuple[float, Manner]]:
    """When the visits of a day begin, and whose they are; more of them on Saturday and Sunday."""
    weekend = (START + dt.timedelta(days=day)).weekday() >= 5
    names = list(manners)
    for _ in range(round(SESSIONS_A_DAY * (1.3 if weekend else 1.0) * exp(rng.gauss(0, 0.05)))):
        manner = manners[rng.choices(names, [manners[name].share for name in names])[0]]
        yield day * _DAY_S + _hour(rng, manner.evening) * _HOUR_S, manner


def _hour(rng: Random, peak: float) -> float:
    """An hour of the day, by rejection: likeliest at the peak, by night rarely."""
    while True:
        hour = rng.random() * 24
        if rng.random() < 0.5 + 0.45 * cos(2 * pi * (hour - peak) / 24) - (0.3 if 1 <= hour < 6 else 0.0):
            return hour


def _visit(rng: Random, manner: Manner, session: str, moment: float) -> Iterator[tuple[float, Event]]:
    """The pages of one visit; what is in the cart is paid, or not, at its end."""
    device = rng.choices(_DEVICES, manner.devices)[0]
    place = rng.choices(_PLACES, _PLACE_SHARES)[0]
    level = exp(rng.gauss(0, 0.25))
    cart: list[Event] = []
    for _ in range(max(1, round(rng.expovariate(1 / manner.pages)))):
        page = {"session_id": session, **_product(rng, manner, level), "device": device, "place": place}
        page["page_seconds"] = round(manner.page_s * exp(rng.gauss(0, 0.6)), 1)
        if manner.buy == 0.0:
            page["event_type"] = "return" if rng.random() < 0.7 else "view"
        elif rng.random() < manner.cart:
            page["event_type"] = "cart"
            page["quantity"] = 1 + int(rng.expovariate(1 / manner.pieces)) if manner.pieces > 1 else 1
            cart.append(page)
        yield moment, page
        moment += page["page_seconds"] + rng.expovariate(1 / 4)
    if cart and rng.random() < manner.buy:
        for page in cart:
            yield moment, {**page, "event_type": "purchase", "page_seconds": round(4 * exp(rng.gauss(0, 0.5)), 1)}
            moment += 1 + rng.expovariate(1 / 2)


def _product(rng: Random, manner: Manner, level: float) -> Event:
    name = rng.choices(_NAMES, manner.tastes)[0]
    price, spread, products = _CATEGORIES[name]
    return {
        "product_id": f"{name}-{rng.randrange(products):04d}",
        "category": name,
        "price": round(max(0.2, price * manner.price * level * exp(rng.gauss(0, spread / 2))), 2),
        "quantity": 1,
        "event_type": "view",
    }


def _dated(page: Event, moment: float) -> Event:
    time = START + dt.timedelta(milliseconds=round(moment * 1_000))
    return {"session_id": page["session_id"], "time": time, **page}
