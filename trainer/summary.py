"""The summary of a learner: one JSON object, the last line of `train --until-end`, `evaluate` and `replay`."""

from typing import Any

from streaming.merge import Place
from trainer.learner import Learner, as_numbers
from trainer.saver import by_topic

_COUNTS = ("events", "learned", "questions", "answers", "pending", "late", "duplicates", "dead")


def summary(learner: Learner, offsets: dict[Place, int]) -> dict[str, Any]:
    """Counts and metrics over the learner's life, and the next offset of every partition."""
    counts = as_numbers(learner.state.counts) | {"pending": len(learner.state.join.open)}
    return {
        "use_case": learner.use_case.name,
        **{name: counts[name] for name in _COUNTS},
        "champion": learner.champion,
        "candidates": {name: c.scores.values() for name, c in learner.state.candidates.items()},
        "offsets": by_topic(offsets),
    }
