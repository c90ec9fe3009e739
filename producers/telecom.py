"""A telecom world: what customers use each day, and who leaves."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, exp, pi, sqrt
from random import Random

from streaming.topics import Topic
from streaming.usecase import Event
from usecases.telecom.catalog import CATALOG, CatalogPlan, MonthlyUse, cheapest
from usecases.telecom.events import CHURN, USAGE

START = dt.date(2026, 1, 1)
CUSTOMERS = 60
_MONTH, _WEEK = 30, 7
_REGIONS = ("north", "south", "east", "west", "capital")
_SHARES = (0.2, 0.2, 0.15, 0.15, 0.3)


@dataclass(frozen=True)
class Regime:
    """What drives use and leaving for a time; leaving is a daily hazard, its causes are weights on a log scale."""

    data: float = 1.0
    minutes: float = 1.0
    sms: float = 1.0
    hazard: float = 0.0008
    overage: float = 2.0
    """For each base price paid again as overage."""
    fall: float = 6.0
    """For use fallen to nothing within the week."""
    new: float = 1.8
    """For a customer of today; wears off over two months."""
    rival: float = 0.0
    """For living where a rival has opened: the capital and the north."""


BEFORE = Regime()
AFTER = Regime(data=1.6, minutes=0.7, sms=0.4, hazard=0.0018, overage=0.2, fall=3.0, new=0.0, rival=2.2)


def events(
    *, seed: int = 42, customers: int = CUSTOMERS, drift_day: int | None = None
) -> Iterator[tuple[Topic, Event]]:
    """Every event in order: of a day first who leaves, then everybody's use, each by customer id.

    The same arguments give the same events. From `drift_day` (counted from the first day) on, habits and the reasons
    to leave are others. It ends with the year 9998.
    """
    rng = Random(seed)
    living = [_Customer(rng, number, START.toordinal(), settled=True) for number in range(1, customers + 1)]
    number = customers
    for day in range(START.toordinal(), dt.date.max.toordinal() - 365):
        date = dt.date.fromordinal(day)
        regime = AFTER if drift_day is not None and day - START.toordinal() >= drift_day else BEFORE
        staying = []
        for customer in living:
            if rng.random() < customer.hazard(day, regime):
                yield CHURN, {"customer_id": customer.id, "date": date}
            else:
                staying.append(customer)
        season = _season(date)
        for customer in staying:
            yield USAGE, customer.use(rng, date, day, season, regime)
        # Those who left today are replaced tomorrow; ids only grow, so the list stays in their order.
        joining = range(number + 1, number + 1 + len(living) - len(staying))
        number += len(joining)
        living = staying + [_Customer(rng, new, day + 1) for new in joining]


def _season(date: dt.date) -> float:
    """1 in the middle of January, -1 in the middle of July."""
    return cos(2 * pi * (date.timetuple().tm_yday - 15) / 365.25)


class _Customer:
    """One customer: habits that are drawn once, a momentum that changes now and then, and the last thirty days.

    Use is counted in whole thousandths of a GB, tenths of a minute and messages, so that running sums are exact.
    """

    __slots__ = (
        "_at",
        "_days",
        "_joined",
        "_level",
        "_momentum",
        "_month",
        "_per_day",
        "_plan",
        "_region",
        "_restless",
        "_week",
        "_weekdays",
        "_winter",
        "id",
    )

    def __init__(self, rng: Random, number: int, day: int, *, settled: bool = False) -> None:
        self.id = f"C{number:09d}"
        self._joined = day - (rng.randrange(_MONTH, 1500) if settled else 0)
        self._region = rng.choices(_REGIONS, _SHARES)[0]
        appetite = rng.gauss(0, 0.45)
        self._per_day = (
            12_000 / _MONTH * exp(appetite + rng.gauss(0, 0.75)),
            3_500 / _MONTH * exp(0.5 * appetite + rng.gauss(0, 0.7)),
            60 / _MONTH * exp(rng.gauss(0, 0.9)),
        )
        self._plan = CATALOG[self._choose_plan(rng)]
        self._weekdays = _weekdays(rng)
        self._winter = rng.uniform(-0.05, 0.25)
        self._level = 0.0
        self._momentum = rng.gauss(0, 0.02)
        self._restless = rng.gauss(0, 0.35)
        self._days = [(0, 0, 0)] * _MONTH
        self._at = 0
        self._month = [0, 0, 0]
        self._week = [0, 0, 0]
        if settled:
            for past in range(day - _MONTH, day):
                date = dt.date.fromordinal(past)
                self.use(rng, date, past, _season(date), BEFORE)

    def hazard(self, day: int, regime: Regime) -> float:
        """The probability of leaving today. Restlessness is the part that no event shows."""
        tenure = day - self._joined
        if tenure < 1:
            return 0.0
        share = min(2.0, self._plan.overage(self._monthly()) / self._plan.base)
        weight = (
            regime.overage * share
            + regime.fall * max(-0.3, self._fall(tenure))
            + regime.new * exp(-tenure / 60)
            + regime.rival * (self._region in ("capital", "north"))
            + self._restless
        )
        return min(0.5, regime.hazard * exp(weight))

    def use(self, rng: Random, date: dt.date, day: int, season: float, regime: Regime) -> Event:
        """Live one day and tell what was used."""
        self._drift(rng)
        if day > self._joined and (day - self._joined) % _MONTH == 0:
            self._consider_plan(rng)
        for_data, for_minutes = self._weekdays[day % 7]
        level = exp(self._level) * (1 + self._winter * season)
        gauss = rng.gauss
        data, minutes, sms = self._per_day
        texts = sms * level * regime.sms
        used = (
            int(data * level * for_data * regime.data * exp(gauss(0, 0.35))),
            int(minutes * level * for_minutes * regime.minutes * exp(gauss(0, 0.4))),
            max(0, int(texts + sqrt(texts) * gauss(0, 1) + 0.5)),
        )
        self._remember(used)
        return {
            "customer_id": self.id,
            "date": date,
            "data_gb": used[0] / 1000,
            "minutes": used[1] / 10,
            "sms": used[2],
            "region": self._region,
            "current_plan": self._plan.name,
            "current_monthly_spend": round(self._plan.cost(self._monthly()), 2),
        }

    def _fall(self, tenure: int) -> float:
        """How far the last week's use is below the month's: 0 is steady, 1 is none at all."""
        expected = min(_WEEK, tenure) / min(_MONTH, tenure)
        used = zip(self._week, self._month, strict=True)
        return sum(1 - week / (month * expected) for week, month in used if month) / 3

    def _monthly(self) -> MonthlyUse:
        data, minutes, sms = self._month
        return MonthlyUse(data / 1000, minutes / 10, sms)

    def _remember(self, used: tuple[int, int, int]) -> None:
        """Move the windows of thirty and seven days one day on."""
        at = self._at
        leaves_month, leaves_week = self._days[at], self._days[at - _WEEK]
        for n in range(3):
            self._month[n] += used[n] - leaves_month[n]
            self._week[n] += used[n] - leaves_week[n]
        self._days[at] = used
        self._at = (at + 1) % _MONTH

    def _drift(self, rng: Random) -> None:
        """Use grows or falls for some weeks at a time, and never gets far from where it began."""
        if rng.random() < 1 / 40:
            self._momentum = rng.gauss(0, 0.025)
            self._restless = 0.5 * self._restless + rng.gauss(0, 0.3)
        self._level += self._momentum - 0.015 * self._level

    def _choose_plan(self, rng: Random) -> str:
        """Most take what would cost them least, some what the shop recommends."""
        data, minutes, sms = self._per_day
        if rng.random() < 0.6:
            return cheapest(MonthlyUse(data * _MONTH / 1000, minutes * _MONTH / 10, sms * _MONTH))
        return rng.choice(list(CATALOG))

    def _consider_plan(self, rng: Random) -> None:
        """Once a month: the dearer the plan has become, the likelier a change to the one that would cost least."""
        use = self._monthly()
        better: CatalogPlan = CATALOG[cheapest(use)]
        saving = self._plan.cost(use) - better.cost(use)
        if rng.random() < min(0.3, saving / 80):
            self._plan = better


def _weekdays(rng: Random) -> list[tuple[float, float]]:
    """Factors for data and minutes by ordinal modulo 7 (Sunday is 0, Saturday 6): calls at work, data at home."""
    data = rng.uniform(1.0, 1.8)
    minutes = rng.uniform(0.4, 1.0)
    weekend = (0, 6)
    return [(data, minutes) if day in weekend else (1.0, 1.0) for day in range(7)]
