"""What a trainer shows to Prometheus of one shard, put down once a second; dead letters and late events by the turn."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Gauge

from streaming import metrics
from streaming.merge import Dead, Moment, Place
from trainer.costs import Costs
from trainer.learner import Learner, as_numbers
from trainer.publisher import Publisher
from trainer.registrar import Registrar
from trainer.saver import Saver

_COUNTED = {
    "events": metrics.EVENTS,
    "learned": metrics.LEARNED,
    "questions": metrics.QUESTIONS,
    "answers": metrics.ANSWERS,
    "expired": metrics.EXPIRED,
    "duplicates": metrics.DUPLICATES,
    "unasked": metrics.UNASKED,
    "evicted": metrics.EVICTED,
}
_OF_A_SHARD = [
    instrument
    for instrument in vars(metrics).values()
    if isinstance(instrument, Counter | Gauge) and instrument._labelnames[:2] == ("use_case", "shard")  # noqa: SLF001
]
_NEVER = {"found": 0}


@dataclass(frozen=True)
class Read:
    """How far the loop has read: next offsets, records behind by topic, since when the oldest has waited in Kafka."""

    offsets: Mapping[Place, int]
    lags: Mapping[str, int]
    waiting_s: float | None
    training: bool


class Observer:
    """The series of one shard. Counters count what happened here: a restart is no second harvest."""

    def __init__(self, use_case: str, shard: str, learner: Learner) -> None:
        """What the learner has from its checkpoint is not counted again."""
        self._labels = {"use_case": use_case, "shard": shard}
        self._before: dict[tuple[Any, ...], float] = {}
        self._champion: str | None = None
        self.costs = Costs()
        for name, value in as_numbers(learner.state.counts).items():
            if name in _COUNTED:
                self._before[_COUNTED[name], ()] = value
        for candidate, drift in learner.drifts.items():
            self._before[metrics.DRIFTS, (("candidate", candidate),)] = drift.found

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """What comes before these offsets was read by others. Counters are there at once: a rise needs a zero."""
        for topic, value in _by_topic(offsets).items():
            metrics.LATE.labels(**self._labels, topic=topic)
            for reason in ("record", "handler"):
                metrics.DEAD.labels(**self._labels, topic=topic, reason=reason)
            self._before[metrics.CONSUMED, (("topic", topic),)] = value

    def learned(self, learner: Learner, facts: Mapping[str, Any]) -> None:
        """What the learner knows; `facts` are those of its status."""
        for name, counter in _COUNTED.items():
            self._count(counter, facts[name])
        self._count(metrics.JOINED, learner.joined)
        self._count(metrics.LABEL_DELAY, learner.delay_us / 1e6)
        self._set(metrics.PENDING, facts["pending"])
        self._set(metrics.EVENT_TIME, learner.clock / 1e6)
        self._set(metrics.BETTER, int(facts["bigger_is_better"]), metric=facts["metric"])
        self._choose(facts)
        for candidate, values in facts["candidates"].items():
            self._set(metrics.FAILED, int(candidate in facts["failed"]), candidate=candidate)
            self._count(metrics.CANDIDATE_SECONDS, self.costs.seconds.get(candidate, 0.0), candidate=candidate)
            self._count(metrics.CANDIDATE_TIMED, self.costs.calls.get(candidate, 0), candidate=candidate)
            self._score(candidate, values)
            self._count(metrics.DRIFTS, facts["drift"].get(candidate, _NEVER)["found"], candidate=candidate)
        for name, value in facts["served"].items():
            of = {"metric": name.removeprefix("rolling_"), "window": _window(name)}
            self._set(metrics.SERVED_METRIC, float("nan") if value is None else value, **of)

    def read(self, read: Read, now_s: float) -> None:
        """How far the loop has read."""
        for topic, passed in _by_topic(read.offsets).items():
            self._count(metrics.CONSUMED, passed, topic=topic)
        for topic, behind in read.lags.items():
            self._set(metrics.LAG, behind, topic=topic)
        waited_s = 0.0 if read.waiting_s is None else now_s - read.waiting_s
        self._set(metrics.LAG_SECONDS, max(0.0, waited_s))
        self._set(metrics.TRAINING, int(read.training))

    def saved(self, saver: Saver) -> None:
        """The checkpoints."""
        self._count(metrics.CHECKPOINTS, saver.stored)
        self._count(metrics.CHECKPOINT_FAILURES, saver.failures)
        for candidate, size in saver.sizes.items():
            self._set(metrics.CANDIDATE_BYTES, size, candidate=candidate)
        self._set(metrics.CHECKPOINT_REFUSED, saver.refused)
        if saver.stored:
            self._set(metrics.CHECKPOINT_TIME, saver.stored_time)
            self._set(metrics.CHECKPOINT_SECONDS, saver.took_s)
            self._set(metrics.CHECKPOINT_PAUSE, saver.pause_s)
            self._set(metrics.CHECKPOINT_BYTES, saver.size)

    def published(self, publisher: Publisher, registrar: Registrar | None, views_waiting: int) -> None:
        """Snapshots, versions and views."""
        self._count(metrics.SNAPSHOTS, publisher.published)
        self._count(metrics.SNAPSHOT_FAILURES, publisher.failures)
        self._set(metrics.SNAPSHOT_BYTES, publisher.size)
        self._set(metrics.VIEWS_WAITING, views_waiting)
        if registrar is not None:
            self._set(metrics.MLFLOW_UP, int(registrar.up))
            self._set(metrics.MLFLOW_WAITING, registrar.points)
            self._set(metrics.REGISTRATION_PENDING, int(registrar.pending))
            self._count(metrics.REGISTRATIONS, registrar.registered)
            self._count(metrics.MLFLOW_FAILURES, registrar.failures)
            for candidate, (experiment, run) in registrar.runs.items():
                self._set(metrics.MLFLOW_RUN, 1, candidate=candidate, experiment=experiment, run=run)

    def buried(self, dead: Iterable[Dead]) -> None:
        """Dead letters of one moment."""
        kinds = Tally((letter.place.topic, "handler" if letter.use_case else "record") for letter in dead)
        for (topic, reason), number in kinds.items():
            metrics.DEAD.labels(**self._labels, topic=topic, reason=reason).inc(number)

    def late(self, moment: Moment) -> None:
        """A moment that was over already."""
        for topic, number in Tally(record.topic for record in moment.records).items():
            metrics.LATE.labels(**self._labels, topic=topic).inc(number)

    def close(self) -> None:
        """Take the shard's series away: another copy shows them from now on."""
        for instrument in _OF_A_SHARD:
            instrument.remove_by_labels(self._labels)

    def _choose(self, facts: Mapping[str, Any]) -> None:
        champion = facts["champion"]
        for candidate in facts["candidates"]:
            self._set(metrics.CHAMPION, int(candidate == champion), candidate=candidate)
        changed = metrics.CHAMPION_CHANGES.labels(**self._labels)
        changed.inc(self._champion is not None and champion != self._champion)
        self._champion = champion or self._champion

    def _score(self, candidate: str, values: Mapping[str, float | None]) -> None:
        for name, value in values.items():
            of = {"candidate": candidate, "metric": name.removeprefix("rolling_"), "window": _window(name)}
            self._set(metrics.METRIC, float("nan") if value is None else value, **of)

    def _set(self, gauge: Gauge, value: float, **labels: str) -> None:
        gauge.labels(**self._labels, **labels).set(value)

    def _count(self, counter: Counter, total: float, **labels: str) -> None:
        """Bring the counter from the last total to this one."""
        key = counter, tuple(labels.items())
        counter.labels(**self._labels, **labels).inc(max(0.0, total - self._before.get(key, 0)))
        self._before[key] = total


def _window(name: str) -> str:
    return "rolling" if name.startswith("rolling_") else "life"


def _by_topic(offsets: Mapping[Place, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, offset in offsets.items():
        found[place.topic] = found.get(place.topic, 0) + offset
    return found
