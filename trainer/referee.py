"""Looks over the candidates of one learner as they answer, and changes its champion by the rules of `Choice`."""

from collections.abc import Sequence

from streaming.scoring import metric_name
from streaming.settings import Champion
from streaming.usecase import UseCase
from trainer.candidates import Candidate
from trainer.choice import BLOCKS_PER_WINDOW, Change, Choice, Pair


class Referee:
    """`pool` are the candidates that compete, in the use case's order."""

    pool: Sequence[Candidate] = ()

    def __init__(self, use_case: type[UseCase], choice: Choice, rule: Champion) -> None:
        """Everything that is known is in `choice`."""
        metric = use_case.metric()
        self._choice, self._rule = choice, rule
        self._rolling, self._bigger = f"rolling_{metric_name(metric)}", bool(metric.bigger_is_better)
        self._block = max(1, use_case.window // BLOCKS_PER_WINDOW)

    def scored(self, learned: int, clock: int) -> None:
        """An answer was scored: the first of all is champion first; at the end of a block another one may be better."""
        choice = self._choice
        if choice.champion is None:
            choice.champion = next(iter(self._values()), None)
        if choice.count(self._block):
            choice.take(self.pool, self._block, self._rule)
            after = choice.better(self._values(), self._rule, bigger=self._bigger)
            if after is not None:
                self._change(after, "better", learned, clock, choice.pairs(bigger=self._bigger)[after])

    def keep_able(self, why: str, learned: int, clock: int) -> None:
        """A champion that can serve no longer is replaced by the best of the others, without a test."""
        values = self._values()
        if self._choice.champion is None or self._choice.champion in values:
            return
        if values:
            after = (max if self._bigger else min)(values, key=values.__getitem__)
            self._change(after, why, learned, clock)
        else:
            self._choice.champion = None

    def _values(self) -> dict[str, float]:
        """The rolling metric of each candidate that has one."""
        values = {one.name: one.scores.values()[self._rolling] for one in self.pool}
        return {name: value for name, value in values.items() if value is not None}

    def _change(self, after: str, why: str, learned: int, clock: int, pair: Pair | None = None) -> None:
        choice, values = self._choice, self._values()
        before = str(choice.champion)
        choice.change(
            Change(
                number=choice.changes[-1].number + 1 if choice.changes else 1,
                before=before,
                after=after,
                why=why,
                learned=learned,
                clock=clock,
                values={name: values.get(name) for name in (before, after)},
                blocks=pair.blocks if pair else 0,
                p=pair.p if pair else None,
            )
        )
