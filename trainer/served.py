"""What was served has really scored: the champion's predictions, whoever was champion when they were asked for.

Pins and the second that a snapshot takes on its way to serving are not seen here. It is part of the checkpoint, and
follows from the events alone, as all that is learned.
"""

from collections.abc import Callable

from streaming.usecase import UseCase
from trainer.candidates import Candidate, Score, Scores, scorer

_EVERY = 100
"""Lessons from one look at who is champion to the next: that takes as long as a lesson."""


class Served:
    """The metric that chooses the champion, over what the champions said."""

    def __init__(self, use_case: type[UseCase]) -> None:
        """Nothing was served yet."""
        self.scores = Scores(use_case, most=1)
        self.champion: str | None = None
        """Whose predictions are served now."""

    def follow(self, lessons: int, champion: Callable[[], str | None]) -> None:
        """After so many lessons see who is champion, if it is time to."""
        if lessons % _EVERY == 0 or (self.champion is None and lessons < _EVERY):
            self.champion = champion() or self.champion

    def scorer(self, candidate: Candidate) -> Score:
        """What scores an answer that this candidate has given as the champion."""
        return scorer(candidate, self.scores)

    def adopt(self, use_case: type[UseCase]) -> "Served":
        """The same for today's use case; a metric that has changed starts fresh."""
        fresh = Served(use_case)
        if fresh.scores.definition != self.scores.definition:
            return fresh
        if self.champion not in use_case.candidates:
            self.champion = None
        return self
