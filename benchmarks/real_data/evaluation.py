"""The same data learned twice: by Headrace from its files, and by River's own evaluation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from river import evaluate

from benchmarks.real_data.batch import by_batch
from benchmarks.real_data.dataset import RealData
from producers.files import read
from streaming.codec import to_us
from streaming.merge import Place
from streaming.scoring import metric_name
from streaming.usecase import Answer, Features, Label, Question, UseCase
from trainer.offline import learn


class Row(NamedTuple):
    """A question with its answer; times in microseconds."""

    x: Features
    y: Label | None
    asked: int
    answered: int


class Result(NamedTuple):
    """What came out of one data set: the metric by candidate, ours and River's, and the naive baseline's."""

    rows: int
    metric: str
    ours: dict[str, float]
    rivers: dict[str, float]
    naive: float
    batch: float | None = None
    """Of a batch model, where there is one to compare with."""


def evaluated(data: RealData, folder: Path) -> Result:
    """Write the files, learn them as `headrace evaluate` does, then ask River about the same x, y and times."""
    data.write(folder)
    kind = type(data.use_case)
    lanes = {Place(topic.name, 0): read(folder / f"{topic.name}.ndjson", topic) for topic in kind.topics}
    learner, _, dead = learn(data.use_case, lanes)
    failed = [f"{c.name}: {c.failed}" for c in learner.state.candidates.values() if c.failed]
    if dead or failed:
        raise SystemExit(f"{data.name}: {(*dead, *failed)[0]}")
    name = metric_name(kind.metric())
    ours = {model: float(c.scores.values()[name] or 0.0) for model, c in learner.state.candidates.items()}
    rows = answered(data)
    rivers = {model: by_river(kind, factory, rows) for model, factory in kind.candidates.items()}
    naive = by_river(kind, data.baseline, rows)
    batch = by_batch([(row.x, row.y) for row in rows], data.inputs, name) if data.inputs else None
    return Result(len(rows), name, ours, rivers, naive, batch)


def by_river(kind: type[UseCase], factory: Callable[[], Any], rows: list[Row]) -> float:
    """`river.evaluate.progressive_val_score` of a new model, with the labels as late as they were."""
    dataset: Any = [(row.x, row.y) for row in rows]
    times = {id(row.x): row for row in rows}
    if all(row.asked == row.answered for row in rows):
        return float(evaluate.progressive_val_score(dataset, factory(), kind.metric()).get())
    return float(
        evaluate.progressive_val_score(
            dataset,
            factory(),
            kind.metric(),
            moment=lambda x: times[id(x)].asked,
            delay=lambda x, _: times[id(x)].answered - times[id(x)].asked,
        ).get()
    )


def answered(data: RealData) -> list[Row]:
    """The questions of a data set in the order of asking, each with its answer."""
    use_case = data.use_case
    handlers, order = use_case.handlers(), {topic.name: at for at, topic in enumerate(use_case.topics)}
    events = sorted(
        ((to_us(e[topic.time]), order[topic.name], str(e[topic.key]), topic, e) for topic, e in data.events()),
        key=lambda told: told[:3],
    )
    make: Any = type(use_case).profile
    profiles: dict[str, Any] = {}
    asked: dict[str, tuple[Features, int]] = {}
    answers: dict[str, tuple[Label | None, int]] = {}
    for time, _, key, topic, event in events:
        profile = profiles.setdefault(key, make()) if make else None
        for outcome in (one for handler in handlers[topic.name] for one in handler(use_case, event, profile) or ()):
            id = outcome.id or f"{key}/{time}"
            if not isinstance(outcome, Answer):
                asked[id] = dict(outcome.x), time
            if not isinstance(outcome, Question):
                answers[id] = outcome.y, time
    return [Row(x, answers[id][0], time, answers[id][1]) for id, (x, time) in asked.items()]
