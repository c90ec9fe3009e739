"""Partitions that are added to the topics while a trainer runs."""

import time
from collections.abc import Callable, Container
from concurrent.futures import Future, ThreadPoolExecutor

from streaming.merge import Place

_EVERY_S = 10.0


class Added:
    """Asks now and then, in a thread of its own: a broker that is away takes long to answer."""

    def __init__(self, places: Callable[[], list[Place]]) -> None:
        """`places` gives all partitions that there are."""
        self._places = places
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="partitions")
        self._asked: Future[list[Place]] | None = None
        self._next = time.monotonic() + _EVERY_S

    def look(self, known: Container[Place]) -> list[Place]:
        """The partitions that are not known; never waits."""
        if self._asked is not None:
            if not self._asked.done():
                return []
            asked, self._asked = self._asked, None
            return [] if asked.exception() else [place for place in asked.result() if place not in known]
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_S
            self._asked = self._asker.submit(self._places)
        return []

    def close(self) -> None:
        """Give up the question that is on its way."""
        self._asker.shutdown(wait=False, cancel_futures=True)
