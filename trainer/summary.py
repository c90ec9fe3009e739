"""The summary of what was learned: one JSON object, the last line of `train --until-end`, `evaluate` and `replay`."""

from collections.abc import Sequence
from typing import Any

from streaming import shards
from streaming.merge import Place
from streaming.scoring import metric_name
from trainer.learner import Learner, as_numbers
from trainer.saver import by_topic

_COUNTS = ("events", "learned", "questions", "answers", "pending", "late", "duplicates", "dead")

Learned = tuple[Learner, dict[Place, int]]
"""A learner and the next offset of every partition that it reads."""


def summary(learned: Sequence[Learned]) -> dict[str, Any]:
    """Counts and metrics over the learner's life, and the next offset of every partition.

    Of a sharded use case it is that of all shards: counts add up, metrics are means weighted by answers.
    """
    learner = learned[0][0]
    facts = [_facts(one) for one, _ in learned]
    candidates = facts[0]["candidates"] if len(facts) == 1 else shards.averaged(facts)
    metric = type(learner.use_case).metric()
    rolling = f"rolling_{metric_name(metric)}"
    champion = learner.champion if len(facts) == 1 else shards.best(candidates, rolling, bigger=metric.bigger_is_better)
    return {
        "use_case": learner.use_case.name,
        **shards.added_up(facts, _COUNTS),
        "champion": champion,
        "candidates": candidates,
        "offsets": by_topic({place: offset for _, offsets in learned for place, offset in offsets.items()}),
    }


def _facts(learner: Learner) -> dict[str, Any]:
    return {
        **as_numbers(learner.state.counts),
        "pending": len(learner.state.join.open),
        "candidates": {name: c.scores.values() for name, c in learner.state.candidates.items()},
    }
