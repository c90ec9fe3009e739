"""A zone's traffic, as the latest arrivals tell it: the profile of eta."""

from copy import copy

from streaming.usecase import Event

_USUAL, _NOW = 0.995, 0.9
_PRIOR_KM, _PRIOR_MINUTES = 5.0, 17.0


class Zone:
    """Minutes a kilometre of the rides from one zone: sums of minutes and of kilometres that fade from ride to ride.

    The ratio of two sums lets long rides count for more, whose minutes are less a matter of the wait. Both begin with
    one ride of 5 km in 17 minutes, so that the very first one is not taken for the rule.
    """

    __slots__ = ("km", "km_now", "minutes", "minutes_now", "rides")

    def __init__(self) -> None:
        """Begin before the first arrival."""
        self.km = self.km_now = _PRIOR_KM
        self.minutes = self.minutes_now = _PRIOR_MINUTES
        self.rides = 0

    def update(self, arrival: Event) -> None:
        """Take in an arrival."""
        minutes, km = arrival["minutes"], arrival["km"]
        self.minutes = _USUAL * self.minutes + minutes
        self.km = _USUAL * self.km + km
        self.minutes_now = _NOW * self.minutes_now + minutes
        self.km_now = _NOW * self.km_now + km
        self.rides += 1

    def view(self) -> dict[str, float | str]:
        """Minutes a kilometre over about two hundred rides, and over about ten."""
        return {"zone_pace": self.minutes / self.km, "zone_pace_now": self.minutes_now / self.km_now}

    def copy(self) -> "Zone":
        """What the learner goes back to when a handler fails."""
        return copy(self)
