"""A customer's last thirty days of use: the profile that the telecom use cases share."""

from bisect import bisect_left, bisect_right
from copy import copy
from typing import get_args

from streaming.usecase import Event, Features
from usecases.telecom.events import PlanName, Region

MONTH = 30
WEEK = 7
_PLANS: dict[str, int] = {name: rank for rank, name in enumerate(get_args(PlanName))}
_REGIONS: tuple[str, ...] = get_args(Region)


class Customer:
    """Daily use of the thirty days that end at the newest day seen, and what the newest event said of the customer.

    A day that comes again replaces itself, a late day takes its place, and one older than the window changes nothing.
    The sums run over lists of at most thirty numbers in C: cheaper than keeping running sums in Python, and they
    cannot drift.
    """

    __slots__ = (
        "current_monthly_spend",
        "current_plan",
        "data_gb",
        "days",
        "first_day",
        "minutes",
        "region",
        "sms",
        "week_began",
        "week_is_over",
    )

    def __init__(self) -> None:
        """Begin without any use."""
        self.days: list[int] = []  # ordinals, ascending; the three lists below run beside it
        self.data_gb: list[float] = []
        self.minutes: list[float] = []
        self.sms: list[float] = []
        self.first_day = 0
        self.week_began = 0
        self.week_is_over = False
        """Whether the last update was the first one seven days or more after the week began."""
        self.region = ""
        self.current_plan = ""
        self.current_monthly_spend = 0.0

    def update(self, event: Event) -> None:
        """Take in a usage event."""
        day = event["date"].toordinal()
        self.week_is_over = False
        newest = self.days[-1] if self.days else None
        if newest is None:
            self.first_day = self.week_began = day
        elif day <= newest - MONTH:
            return
        if newest is None or day >= newest:
            self._advance(event, day)
        self._put(event, day)
        self.first_day = min(self.first_day, day)

    def view(self) -> dict[str, float | str]:
        """Averages as use a month: thirty times the mean of the days seen, over 30 days (avg) and over 7 (recent)."""
        days = self.days
        if not days:
            return {}
        monthly = MONTH / len(days)
        week = bisect_right(days, days[-1] - WEEK)
        weekly = MONTH / (len(days) - week)
        return {
            "avg_data_gb": sum(self.data_gb) * monthly,
            "avg_minutes": sum(self.minutes) * monthly,
            "avg_sms": sum(self.sms) * monthly,
            "recent_data_gb": sum(self.data_gb[week:]) * weekly,
            "recent_minutes": sum(self.minutes[week:]) * weekly,
            "recent_sms": sum(self.sms[week:]) * weekly,
            "tenure_days": days[-1] - self.first_day,
            "region": self.region,
            "current_plan": self.current_plan,
            "current_monthly_spend": self.current_monthly_spend,
        }

    def copy(self) -> "Customer":
        """A customer of its own with the same days: what the learner goes back to when a handler fails."""
        twin = copy(self)
        twin.days, twin.data_gb = self.days[:], self.data_gb[:]
        twin.minutes, twin.sms = self.minutes[:], self.sms[:]
        return twin

    def _advance(self, event: Event, day: int) -> None:
        """Move the window's end to this day."""
        self.region = event["region"]
        self.current_plan = event["current_plan"]
        self.current_monthly_spend = event["current_monthly_spend"]
        if day - self.week_began >= WEEK:
            self.week_is_over = True
            self.week_began = day
        gone = bisect_right(self.days, day - MONTH)
        if gone:
            del self.days[:gone], self.data_gb[:gone], self.minutes[:gone], self.sms[:gone]

    def _put(self, event: Event, day: int) -> None:
        """Write the day's use where it belongs."""
        at = bisect_left(self.days, day)
        if at == len(self.days) or self.days[at] != day:
            self.days.insert(at, day)
            self.data_gb.insert(at, event["data_gb"])
            self.minutes.insert(at, event["minutes"])
            self.sms.insert(at, event["sms"])
        else:
            self.data_gb[at] = event["data_gb"]
            self.minutes[at] = event["minutes"]
            self.sms[at] = event["sms"]


def categories(x: Features) -> Features:
    """The plan as its rank by price and each region as 0 or 1, in one fixed order.

    River's OneHotEncoder and the nominal splits of its trees go through sets of strings, whose order is another one in
    every process: two runs over the same events would not give the same numbers.
    """
    region = x["region"]
    return {
        "current_plan": _PLANS[x["current_plan"]],
        **{f"region_{name}": float(name == region) for name in _REGIONS},
    }
