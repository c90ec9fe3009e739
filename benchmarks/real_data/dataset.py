"""A real data set: which use case learns it, and its events in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producers.files import write
from streaming.topics import Topic
from streaming.usecase import Event, Features, UseCase


@dataclass(frozen=True)
class RealData:
    """One data set as a stream."""

    name: str
    use_case: UseCase
    stands_for: str
    """The built-in use case whose question it asks."""
    events: Callable[[], Iterator[tuple[Topic, Event]]]
    """Every event of every topic, each topic's in the order of its event time."""
    limits: str
    """What this data cannot tell."""
    baseline: Callable[[], Any] | None = None
    """Makes the naive baseline, as a River model; None: the one that every use case of this kind has."""
    inputs: Callable[[Features], Features] | None = None
    """What a batch model reads of x, all numbers; None where there is no such comparison."""

    def write(self, folder: Path) -> None:
        """`<folder>/<topic>.ndjson`, for `headrace produce --topic … --file …` and `headrace evaluate … --file …`."""
        write(self.events(), folder, self.use_case.topics)
