"""Noise with a little sense in it: thirteen numbers that make a forest grow to a hundred megabytes soon."""

import json
import random
from collections.abc import Iterator

from river import forest, metrics
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Event, Example, UseCase, on


class Sample(TypedDict):
    """One draw."""

    id: str
    second: int
    x: dict[str, float]
    y: bool


SAMPLES = Topic("bench.samples", Sample, key="id", time="second")


class Noise(UseCase):
    """Is the sum above zero?"""

    topics = (SAMPLES,)
    metric = metrics.Accuracy
    candidates = {"forest": lambda: forest.ARFClassifier(n_models=10, seed=1)}  # declared once, read only

    @on(SAMPLES)
    def see(self, event: Event, _profile: None) -> Iterator[Example]:
        """Every draw comes with its label."""
        yield Example(event["id"], event["x"], event["y"])


def values(count: int) -> list[tuple[str, bytes]]:
    """Keys and records, each with its own second."""
    chance, found = random.Random(1), []
    for i in range(count):
        x = {f"x{n}": chance.gauss(0, 1) for n in range(13)}
        y = sum(x.values()) + chance.gauss(0, 2) > 0
        found.append((f"s{i}", json.dumps({"id": f"s{i}", "second": i, "x": x, "y": y}).encode()))
    return found
