"""What was served has really scored: the champion's predictions, whoever was champion when they were asked for.

Pins and the second that a snapshot takes on its way to serving are not seen here. It is part of the checkpoint, and
follows from the events alone, as all that is learned.
"""

from collections import deque
from collections.abc import Mapping
from copy import deepcopy

from streaming.asking import Prediction
from streaming.usecase import Features, Label, UseCase
from trainer.candidates import Candidate, Scores, life_scorer, scorer


class Served:
    """The metric that chooses the champion, over what the champions said.

    Once a whole window was served by one candidate, the rolling metric is that candidate's own, and is not kept twice.
    """

    def __init__(self, use_case: type[UseCase]) -> None:
        """Nothing was served yet."""
        self.scores = Scores(use_case, most=1)
        self.by: str | None = None
        """Who gave the last answers,"""
        self.since = 0
        """and how many of them; no more than the window are counted."""

    @property
    def as_one(self) -> str | None:
        """The candidate whose window is that of what was served."""
        return self.by if self.since >= self.scores.size else None

    def part(self, candidates: Mapping[str, Candidate], then: str | None = None) -> bool:
        """Somebody else answers from now on; tells whether the window is another object by that."""
        one = self.as_one
        if one is not None:
            own = candidates[one].scores
            self.scores.rolling = deepcopy(own.rolling[: len(self.scores.rolling)])
            self.scores.window = deque(own.window)
        self.by, self.since = then, 0
        return one is not None

    def values(self, candidates: Mapping[str, Candidate]) -> dict[str, float | None]:
        """The metric and `rolling_<name>`."""
        found = self.scores.values()
        one = self.as_one
        if one is not None:
            own = candidates[one].scores.values()
            found |= {name: own[name] for name in found if name.startswith("rolling_")}
        return found

    def adopt(self, use_case: type[UseCase], candidates: Mapping[str, Candidate]) -> "Served":
        """The same for today's use case, `candidates` being yesterday's; a metric that has changed starts fresh."""
        fresh = Served(use_case)
        if fresh.scores.definition != self.scores.definition:
            return fresh
        self.part(candidates)
        return self


class Serving:
    """Scores the answers of what was served."""

    def __init__(self, served: Served, candidates: Mapping[str, Candidate]) -> None:
        """`candidates` are all that there are."""
        self._served, self._candidates = served, candidates
        self._bind()

    def _bind(self) -> None:
        scores = self._served.scores
        self._whole = {name: scorer(one, scores) for name, one in self._candidates.items()}
        self._life = {name: life_scorer(one, scores) for name, one in self._candidates.items()}

    def by(self, champion: str | None) -> None:
        """The next answer is to a question that this champion was asked."""
        if champion != self._served.by and self._served.part(self._candidates, champion):
            self._bind()

    def score(self, y: Label | None, prediction: Prediction, x: Features) -> None:
        """Its answer, once it has been scored for the candidate itself."""
        served = self._served
        by, scores = served.by, served.scores
        if by is None:
            return
        if served.since >= scores.size:
            self._life[by](y, prediction, x)
            return
        before = scores.answers
        self._whole[by](y, prediction, x)
        served.since += scores.answers - before
        if served.since >= scores.size:
            scores.window.clear()
