"""The same data learned twice: by Headrace from its files, and by River's own evaluation."""

from pathlib import Path
from typing import NamedTuple

from benchmarks import alone
from benchmarks.progressive import answered, by_river
from benchmarks.real_data.batch import by_batch
from benchmarks.real_data.dataset import RealData
from producers.files import read
from streaming.merge import Place
from streaming.scoring import metric_name
from trainer.offline import learn


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
    rows = answered(data.use_case, ((topic.name, event) for topic, event in data.events()))
    rivers = {model: by_river(kind, factory, rows) for model, factory in kind.candidates.items()}
    naive = by_river(kind, data.baseline or alone.baseline(data.use_case)[1], rows)
    batch = by_batch([(row.x, row.y) for row in rows], data.inputs, name) if data.inputs else None
    return Result(len(rows), name, ours, rivers, naive, batch)
