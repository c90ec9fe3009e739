"""Whether a candidate has begun to err more: ADWIN over its mistakes, looked at once a second.

Bifet and Gavaldà, "Learning from Time-Changing Data with Adaptive Windowing", SDM 2007; River's `drift.ADWIN`. It is in
the checkpoint. A look depends on the second in which it falls, so nothing that is learned may depend on what it finds.
"""

from itertools import islice
from typing import Any

from river import drift

from trainer.candidates import Scores

MOST = 300
"""Mistakes of one look: of more the newest, so that looking stays cheap."""
_DELTA = 0.0001
"""The chance of a false alarm by ADWIN's own bound, at each look."""
_SCALE_FROM = 200


class Drift:
    """Of one candidate."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.found = 0
        """How often it began to err more."""
        self.found_at: int | None = None
        """The clock when that was last found, microseconds."""
        self._adwin = drift.ADWIN(delta=_DELTA)  # type: ignore[no-untyped-call]
        self._seen = 0
        self._first: list[float] = []
        self._scale = 0.0

    def look(self, scores: Scores, clock: int) -> None:
        """Take the answers since the last look; `clock` is the event time of this one."""
        new = min(scores.answers - self._seen, len(scores.window), MOST)
        self._seen = scores.answers
        before = self.found
        for entry in reversed(list(islice(reversed(scores.window), new))):
            if (lost := mistake(entry)) is not None:
                self._add(lost)
        if self.found > before:
            self.found_at = clock

    def _add(self, lost: float) -> None:
        """ADWIN's bound is for values from 0 to 1: distances are set against the first ones."""
        if self._scale == 0.0:
            self._first.append(lost)
            if len(self._first) < _SCALE_FROM:
                return
            self._scale = sum(self._first) / len(self._first) or 1.0
            self._first = []
        before = self._adwin.estimation
        self._adwin.update(lost / (lost + self._scale))  # type: ignore[no-untyped-call]
        self.found += bool(self._adwin.drift_detected) and self._adwin.estimation > before


def mistake(entry: tuple[Any, ...]) -> float | None:
    """How wrong one prediction was: 1 less the label's probability, wrong or right, or a distance; None: no label.

    >>> mistake((True, (True, {True: 0.75, False: 0.25}, None))), mistake(("a", ("b", None, None)))
    (0.25, 1.0)
    >>> mistake((3.0, (5.0, None, None)))
    2.0
    """
    if len(entry) != 2:
        return None  # of a clusterer
    y, (value, probabilities, *_) = entry
    if probabilities:
        return 1.0 - float(probabilities.get(y, 0.0))
    if isinstance(y, bool | str) or isinstance(value, bool | str):
        return float(y != value)
    return abs(float(y) - float(value))
