"""Waiting for a server that is away: said once, tried again after longer and longer pauses, said when it is back."""

import time
from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger()

_FIRST_S = 0.1
_LONGEST_S = 5.0
_SILENT_S = 1.0


class Patience:
    """The state of one such wait; what fails for less than a second is not worth a word."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, **about: Any) -> None:
        """`about` goes with every line."""
        self._clock = clock
        self._about = about
        self._pause_s = 0.0
        self._next = 0.0
        self._since: float | None = None
        self._said = False

    @property
    def ready(self) -> bool:
        """It is time to try (again)."""
        return self._clock() >= self._next

    def failed(self, reason: Exception) -> None:
        """Note a failure; the pause before the next try doubles, up to five seconds."""
        now = self._clock()
        self._since = self._since if self._since is not None else now
        self._pause_s = min(_LONGEST_S, self._pause_s * 2 or _FIRST_S)
        self._next = now + self._pause_s
        if not self._said and now - self._since >= _SILENT_S:
            self._said = True
            log.warning("a server is away, tried again", reason=str(reason), waiting="until it answers", **self._about)

    def succeeded(self) -> None:
        """Note that all is well."""
        if self._said:
            log.info("answers again", after_s=round(self._clock() - (self._since or 0.0), 1), **self._about)
        self._pause_s, self._next, self._since, self._said = 0.0, 0.0, None, False
