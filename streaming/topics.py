"""A Kafka topic and its declaration: name, event schema, key field, event-time field."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from streaming.errors import WrongUsage

CONTROL = "headrace.control"
STATUS = "headrace.status"
MODELS = "headrace.models"
AUDIT = "headrace.audit"
COMPACTED = {"cleanup.policy": "compact"}


@dataclass(frozen=True)
class Topic:
    """One topic of events.

    `schema` is a `TypedDict` whose fields may carry pydantic constraints. `key` names the field whose text is the
    Kafka key. `time` names the field with the event time: a `datetime` (UTC when it has no zone), a `date`
    (midnight UTC) or a number (seconds since 1970).
    """

    name: str
    schema: type
    key: str
    time: str
    max_jump: timedelta = timedelta(days=90)
    """An event further than this ahead of the clock is a dead letter."""

    @property
    def dead(self) -> str:
        """The compacted topic that keeps this topic's dead letters."""
        return f"{self.name}.dead"


def topic_named(name: str, topics: Mapping[str, Topic]) -> Topic:
    """The topic of this name, or a sentence that lists those there are."""
    if name not in topics:
        raise WrongUsage(f"unknown topic {name!r}; there are {', '.join(sorted(topics))}")
    return topics[name]
