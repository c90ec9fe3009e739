"""A market of collectible cards: what is offered at which price, and what it is sold for."""

import datetime as dt
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import exp, log
from random import Random
from typing import Any, NamedTuple

from streaming.topics import Topic
from streaming.usecase import Event
from usecases.cards.events import LISTINGS, SALES

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_LISTINGS_A_DAY = 75
_SELLERS = 300
_TICK = dt.timedelta(milliseconds=1)
_DAY = dt.timedelta(days=1)
_SETS = {  # what a rare card of the set was worth on the first day, and how often cards of it are offered
    "ashes": (9.0, 0.14),
    "crown": (26.0, 0.07),
    "depths": (11.0, 0.13),
    "ember": (7.0, 0.17),
    "frontier": (14.0, 0.12),
    "origins": (45.0, 0.06),
    "tempest": (8.0, 0.16),
    "wilds": (12.0, 0.15),
}
_RARITIES = {"common": (0.3, 0.26), "uncommon": (0.5, 0.26), "rare": (1.0, 0.26), "epic": (2.2, 0.15)}
_RARITIES |= {"legendary": (6.0, 0.07)}
_CONDITIONS = {"poor": (0.35, 0.06), "played": (0.55, 0.16), "good": (0.75, 0.26), "near_mint": (1.0, 0.36)}
_CONDITIONS |= {"mint": (1.3, 0.16)}
_GRADES = {7: (0.9, 0.2), 8: (1.1, 0.35), 9: (1.5, 0.32), 10: (2.6, 0.13)}
_SELLER_KINDS = {"private": (0.02, 0.55), "shop": (0.10, 0.3), "auction": (-0.06, 0.15)}
_LONGEST_DAYS = 13.5


@dataclass(frozen=True)
class Regime:
    """What collectors pay for, beside what a card is: factors on its worth."""

    sets: dict[str, float] = field(default_factory=dict)
    graded: float = 1.0
    """Exponent of the premium for a grade: 1 is the whole of it, 0 none."""


BEFORE = Regime()
# Two sets are printed again, one becomes a film, and a scandal makes buyers doubt the grades.
AFTER = Regime(sets={"crown": 0.5, "origins": 0.55, "tempest": 2.2}, graded=0.35)


def events(*, seed: int = 42, drift_day: int | None = None) -> Iterator[tuple[Topic, Event]]:
    """Listings and sales in order of time, a sale first; many listings are withdrawn and have no sale.

    The same arguments give the same events. From `drift_day` (counted from the first day) on, collectors pay for other
    things; the prices that are asked follow within a few weeks. It ends with the year 9998.
    """
    market = _Market(seed)
    selling: list[tuple[dt.datetime, str, Event]] = []
    last, now, number = START, START, 0
    while now.year < 9_999:
        now = max(market.next_after(now), last + _TICK)
        while selling and selling[0][0] <= now:
            time, _, event = heapq.heappop(selling)
            last = event["time"] = max(time, last + _TICK)
            yield SALES, event
        now = max(now, last)
        number += 1
        regime = AFTER if drift_day is not None and (now - START).days >= drift_day else BEFORE
        listing, sale = market.offer(number, now, regime)
        last = now
        yield LISTINGS, listing
        if sale is not None:
            heapq.heappush(selling, (sale["time"], sale["listing_id"], sale))


class _Seller(NamedTuple):
    """Who sells: greed is what no event shows; the rating tells how much buyers trust."""

    kind: str
    rating: float
    greed: float


class _Market:
    """What is in fashion, what sellers think that it is, and the sellers."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._sellers = [self._seller() for _ in range(_SELLERS)]
        self._fashion = {name: self._rng.gauss(0, 0.2) for name in _SETS}
        self._believed = dict(self._fashion)
        self._believed_graded = 1.0
        self._day = START

    def next_after(self, now: dt.datetime) -> dt.datetime:
        """When the next card is offered: most in the evening, few at night."""
        lively = 0.3 + (0.7 if now.hour >= 8 else 0.0) + (1.0 if 17 <= now.hour < 23 else 0.0)
        seconds = self._rng.expovariate(lively / 1.03 * _LISTINGS_A_DAY / 86_400)
        return now + dt.timedelta(milliseconds=round(1_000 * seconds))

    def offer(self, number: int, now: dt.datetime, regime: Regime) -> tuple[Event, Event | None]:
        """The next listing, and its sale unless it is withdrawn."""
        self._live_until(now, regime)
        rng, id = self._rng, f"L{number:010d}"
        card, asked_for, worth = self._card(regime)
        seller = rng.choice(self._sellers)
        asked = asked_for * exp(seller.greed + rng.gauss(0, 0.17))
        if rng.random() < 0.04:  # hope, or a slip of the finger
            asked *= rng.choice((0.6, 1.6, 2.2))
        asked = max(0.1, round(asked, 2))
        paid = worth * exp(0.06 * (seller.rating - 4.4))
        too_dear = log(asked / paid)
        days = rng.expovariate(1 / (3.0 * exp(min(3.0, 3.0 * too_dear))))
        listing = {"listing_id": id, "time": now, **card, "seller": seller.kind, "seller_rating": seller.rating}
        listing |= {"market_price": asked, "days_listed": round(days, 1)}
        if rng.random() > 0.95 / (1 + exp(5.0 * (too_dear - 0.3))):
            return listing, None
        # Buyer and seller meet between what it is worth and what is asked, nearer to the former.
        price = max(0.05, round(paid * exp(0.2 * min(too_dear, 0.5) - 0.004 * days + rng.gauss(0, 0.07)), 2))
        wait = min(_LONGEST_DAYS, 0.05 + rng.expovariate(1 / (2.0 * exp(min(1.5, 2.0 * max(-1.0, too_dear))))))
        time = now + dt.timedelta(seconds=round(86_400 * wait))
        return listing, {"listing_id": id, "time": time, "price": price}

    def _card(self, regime: Regime) -> tuple[Event, float, float]:
        """A card, what the market believes that it is worth, and what it is worth."""
        set_, (rare, _) = self._draw(_SETS)
        rarity, (by_rarity, _) = self._draw(_RARITIES)
        condition, (by_condition, _) = self._draw(_CONDITIONS)
        graded = condition in ("near_mint", "mint") and self._rng.random() < (0.5 if by_rarity >= 1 else 0.1)
        grade, (by_grade, _) = self._draw(_GRADES) if graded else (0, (1.0, 0.0))
        # Wear costs a dear card more of its worth than a cheap one.
        wear = by_condition ** (0.7 + 0.25 * by_rarity**0.5)
        popular = self._rng.gauss(0, 0.25)
        plain = rare * by_rarity * wear * exp(popular)
        worth = plain * exp(self._fashion[set_]) * regime.sets.get(set_, 1.0) * by_grade**regime.graded
        believed = plain * exp(self._believed[set_]) * by_grade**self._believed_graded
        return {"set": set_, "rarity": rarity, "condition": condition, "grade": grade}, believed, worth

    def _draw(self, table: Mapping[Any, tuple[float, float]]) -> tuple[Any, tuple[float, float]]:
        """A row, by the shares in its last column."""
        rows = list(table.items())
        return self._rng.choices(rows, [row[1][1] for row in rows])[0]

    def _live_until(self, now: dt.datetime, regime: Regime) -> None:
        """Fashions wander; what sellers believe follows over some weeks."""
        while self._day <= now:
            for name, level in self._fashion.items():
                self._fashion[name] = 0.985 * level + self._rng.gauss(0, 0.035)
                real = self._fashion[name] + log(regime.sets.get(name, 1.0))
                self._believed[name] += 0.06 * (real - self._believed[name])
            self._believed_graded += 0.06 * (regime.graded - self._believed_graded)
            self._day += _DAY

    def _seller(self) -> _Seller:
        rng = self._rng
        kind, (mark_up, _) = self._draw(_SELLER_KINDS)
        rating = min(5.0, max(1.0, round(rng.gauss(4.4, 0.4), 1)))
        return _Seller(kind, rating, mark_up + rng.gauss(0.03, 0.12))
