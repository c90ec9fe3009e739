"""Which candidate is champion: another one only by evidence, so that equal ones do not take turns.

Answers are taken in blocks, a twentieth of the rolling window each. Of every block each candidate gets the use case's
metric over that block alone: the differences between two candidates are paired, since both answered the same questions.
A challenger takes over when Student's one-sided t-test over the differences of the newest blocks is below `alpha`,
shared out among the challengers (Bonferroni), and its rolling metric is better too. Each change within the last 500
blocks divides `alpha` by a thousand: the first champion is the first that was scored, which is cheap to correct; a
second correction is not, else one model of two equal ones would follow the other for ever.

Blocks of a stream as paired samples: Bifet et al., "Efficient Online Evaluation of Big Data Stream Classifiers", KDD
2015; test and correction: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scipy.special import stdtr

from streaming.settings import Champion
from trainer.candidates import Candidate, Scores

BLOCKS_PER_WINDOW = 20
_FEWEST = 10
"""Blocks before a first test: of fewer, Student's distribution says little about values that are not normal."""
_REMEMBERED = 500
_HARDER = 0.001
_KEPT = 20


class Change(NamedTuple):
    """One change of the champion."""

    number: int
    """The first is 1."""
    before: str
    after: str
    why: str
    """`better`, `failed` (it raised) or `gone` (the use case has it no longer, or defines it differently)."""
    learned: int
    """What the learner had learned by then."""
    clock: int
    """Event time, microseconds since 1970."""
    values: dict[str, float | None]
    """The rolling metric of both at that moment."""
    blocks: int
    p: float | None
    """Of the test; None where there was none."""


class Block(NamedTuple):
    """What a candidate did in one block."""

    value: float
    """The metric over the block alone."""
    apart: float | None
    """How it differs from the champion: the share of answers with another label, or the mean distance of numbers."""


class Pair(NamedTuple):
    """A challenger against the champion, over the newest blocks that both have."""

    gain: float
    """By how much the metric of a block is better, on average; below zero: worse."""
    p: float
    apart: float
    blocks: int


@dataclass
class Choice:
    """The champion and the evidence since the last change; part of the checkpoint."""

    champion: str | None = None
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """The newest ones."""
    untold: deque[Change] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """Those of which `headrace.audit` does not know yet."""
    number: int = 0
    """Blocks so far."""
    blocks: dict[str, dict[int, Block]] = field(default_factory=dict)
    """By candidate and the block's number; the newest ones."""
    answers: int = 0
    """In this block."""
    scored: dict[str, int] = field(default_factory=dict)
    """How many answers each candidate had scored when the block began."""
    changed_at: list[int] = field(default_factory=list)
    """In which blocks the champion changed lately."""

    def count(self, size: int) -> bool:
        """One more answer; tells whether a block of this size is full."""
        self.answers += 1
        return self.answers >= size

    def take(self, pool: Sequence[Candidate], size: int, rule: Champion) -> None:
        """End the block: keep what each candidate did that has scored all of its answers."""
        self.number += 1
        self.answers = 0
        whole = {c.name: c.scores for c in pool if c.scores.answers - self.scored.get(c.name, 0) == size}
        self.scored = {c.name: c.scores.answers for c in pool}
        champion = whole.get(self.champion or "")
        for name, scores in whole.items():
            value = scores.over_last(size)
            if value is not None:
                self.blocks.setdefault(name, {})[self.number] = Block(value, _apart(scores, champion, size))
        for mine in self.blocks.values():
            for number in [number for number in mine if number <= self.number - rule.blocks]:
                del mine[number]

    def pairs(self, *, bigger: bool) -> dict[str, Pair]:
        """Each challenger against the champion; those without a common block are left out."""
        own = self.blocks.get(self.champion or "", {})
        sign, found = (1 if bigger else -1), {}
        for name, theirs in self.blocks.items():
            common = [number for number in theirs if number in own]
            if name != self.champion and common:
                gains = [sign * (theirs[number].value - own[number].value) for number in common]
                apart = sum(theirs[number].apart or 0.0 for number in common) / len(common)
                found[name] = Pair(sum(gains) / len(gains), p_value(gains), apart, len(common))
        return found

    def better(self, rolling: Mapping[str, float], rule: Champion, *, bigger: bool) -> str | None:
        """The challenger that takes over, by the evidence and the rolling metrics; None: none."""
        if self.champion is None or self.champion not in rolling:
            return None
        recent = sum(1 for number in self.changed_at if self.number - number < _REMEMBERED)
        level = rule.alpha * _HARDER**recent / max(1, len(rolling) - 1)
        sign, own = (1 if bigger else -1), rolling[self.champion]
        ahead = {name: sign * (value - own) for name, value in rolling.items()}
        proven = [name for name, pair in self.pairs(bigger=bigger).items() if pair.p < level and ahead.get(name, 0) > 0]
        return max(proven, key=ahead.__getitem__, default=None)

    def change(self, change: Change) -> None:
        """Make another one champion; the evidence is gathered anew."""
        self.champion = change.after
        self.changes.append(change)
        self.untold.append(change)
        self.blocks = {}
        self.changed_at = [number for number in self.changed_at if self.number - number < _REMEMBERED]
        self.changed_at.append(self.number)

    def forget(self, names: set[str]) -> None:
        """These candidates begin anew, or are gone."""
        for name in names:
            self.blocks.pop(name, None)
            self.scored.pop(name, None)


def p_value(gains: Sequence[float]) -> float:
    """How likely a mean gain like this is between equals: Student's t, one-sided; 1 for too few blocks.

    >>> p_value([0.01] * 9), p_value([0.0] * 20), p_value([0.02, 0.04] * 10) < 1e-6
    (1.0, 1.0, True)
    """
    n = len(gains)
    mean = sum(gains) / max(1, n)
    if n < _FEWEST or mean <= 0:
        return 1.0
    variance = sum((gain - mean) ** 2 for gain in gains) / (n - 1)
    if variance <= (1e-9 * mean) ** 2:
        return 0.0
    return float(stdtr(n - 1, -mean / (variance / n) ** 0.5))


def _apart(scores: Scores, champion: Scores | None, size: int) -> float | None:
    """How the newest predictions differ from the champion's: of the same questions in the same order."""
    if champion is None or len(scores.window[-1]) != 2:  # of a clusterer
        return None
    total = 0.0
    for at in range(-size, 0):
        value, other = scores.window[at][1][0], champion.window[at][1][0]
        total += (
            value != other if isinstance(value, bool | str) or isinstance(other, bool | str) else abs(value - other)
        )
    return total / size
