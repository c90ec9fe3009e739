"""When records had come to Kafka: those that the learner has used, and those that wait to be used."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from streaming.merge import Place

_MOST = 1_000
"""Fetches that are told apart; of more the newest are one."""


class _Fetch(NamedTuple):
    upto: Mapping[Place, int]
    """It is used when these offsets are next."""
    first_s: float
    last_s: float
    """When its first and its last record had come to Kafka, seconds since 1970."""


class Arrivals:
    """The fetches that are not used up yet, in their order.

    >>> usage, arrivals = Place("telecom.usage", 0), Arrivals()
    >>> arrivals.fetched({usage: 10}, 100.0, 101.0)
    >>> arrivals.fetched({usage: 20}, 102.0, 103.0)
    >>> arrivals.used({usage: 15})
    >>> arrivals.used_s, arrivals.waiting_s
    (101.0, 102.0)
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._fetches: deque[_Fetch] = deque()
        self.used_s: float | None = None
        """When the newest record that was used had come to Kafka."""

    @property
    def waiting_s(self) -> float | None:
        """When the oldest that waits had come there; None when none waits."""
        return self._fetches[0].first_s if self._fetches else None

    def fetched(self, upto: Mapping[Place, int], first_s: float, last_s: float) -> None:
        """Records have come; with all that was fetched before they are used when these offsets are next."""
        if len(self._fetches) == _MOST:
            first_s = self._fetches.pop().first_s
        self._fetches.append(_Fetch(upto, first_s, last_s))

    def used(self, offsets: Mapping[Place, int]) -> None:
        """The learner has come to these next offsets."""
        while self._fetches and all(offsets.get(place, at) >= at for place, at in self._fetches[0].upto.items()):
            self.used_s = max(self._fetches.popleft().last_s, self.used_s or 0.0)

    def forget(self) -> None:
        """What was read ahead is dropped, and fetched again."""
        self._fetches.clear()
