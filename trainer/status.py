"""What a trainer says of itself each second on `headrace.status`: all that the API and the live table know of it."""

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import Producer

from streaming.codec import to_text
from streaming.scoring import metric_name
from streaming.topics import STATUS
from trainer.choice import Change
from trainer.drift import Drift
from trainer.learner import Learner, as_numbers

_EVERY_S = 1.0


def learner_facts(learner: Learner) -> dict[str, Any]:
    """Counts, candidates with their metrics, champion, event time."""
    state, kind = learner.state, type(learner.use_case)
    bigger = bool(kind.metric().bigger_is_better)
    return {
        **as_numbers(state.counts),
        "pending": len(state.join.open),
        "champion": learner.champion,
        "changes": [change_facts(change) for change in state.choice.changes],
        "paired": {name: pair._asdict() for name, pair in state.choice.pairs(bigger=bigger).items()},
        "metric": metric_name(kind.metric()),
        "bigger_is_better": bigger,
        "candidates": {name: c.scores.values() for name, c in state.candidates.items()},
        "served": learner.served,
        "drift": {name: drift_facts(drift) for name, drift in learner.drifts.items()},
        "failed": {name: c.failed for name, c in state.candidates.items() if c.failed},
        "recent": list(learner.recent),
        "event_time": to_text(learner.clock) if state.counts.events else None,
    }


def drift_facts(drift: Drift) -> dict[str, Any]:
    """How often a candidate began to err more, and the event time of the last time."""
    return {"found": drift.found, "last": None if drift.found_at is None else to_text(drift.found_at)}


def change_facts(change: Change) -> dict[str, Any]:
    """One change of the champion, for people and programs."""
    facts = {
        ("from" if name == "before" else "to" if name == "after" else name): v for name, v in change._asdict().items()
    }
    event_time = to_text(facts.pop("clock")) if change.clock else None
    return {**facts, "rolling": facts.pop("values"), "event_time": event_time}


class Reporter:
    """Publishes the status of one shard, at most once a second."""

    def __init__(self, producer: Producer, use_case: str, shard: str, epoch: int) -> None:
        """Everything it says carries the epoch: readers take the highest."""
        self._producer = producer
        self._key = f"{use_case}/{shard}"
        self._who = {"use_case": use_case, "shard": shard, "epoch": epoch}
        self._next = 0.0

    def due(self) -> bool:
        """A second has passed since the last report."""
        return time.monotonic() >= self._next

    def report(self, facts: dict[str, Any]) -> None:
        """Publish; with no room left in the client's queue (Kafka is away) the next report will do."""
        self._next = time.monotonic() + _EVERY_S
        value = orjson.dumps(
            {**self._who, "time": datetime.now(UTC), **facts}, default=str, option=orjson.OPT_NON_STR_KEYS
        )
        try:
            self._producer.produce(STATUS, key=self._key, value=value)
            self._producer.poll(0)
        except BufferError:
            return
