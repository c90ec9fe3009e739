"""MLflow runs: one for each candidate and learner's life, with the curve of every metric."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from trainer.registration import CandidateFacts, RegistryFacts

if TYPE_CHECKING:
    from mlflow import MlflowClient

_KEPT = 720  # points: an hour without MLflow at one in five seconds, after that the oldest are left out
_BATCH = 1_000  # metrics that MLflow takes at once
_LONGEST = 6_000  # characters that MLflow takes as a parameter


@dataclass(frozen=True)
class _Point:
    """What one candidate's metrics were at one moment."""

    candidate: CandidateFacts
    learned: int
    time_ms: int


class Curves:
    """Points that wait for MLflow; logging one twice leaves it there once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._points: deque[tuple[_Point, ...]] = deque(maxlen=_KEPT)
        self._learned = -1

    def __len__(self) -> int:
        return len(self._points)

    def add(self, facts: RegistryFacts, now_s: float) -> None:
        """One more point for each candidate, unless nothing was learned since the last."""
        if facts.learned == self._learned:
            return
        self._learned = facts.learned
        self._points.append(tuple(_Point(one, facts.learned, round(now_s * 1000)) for one in facts.candidates))

    def log(self, client: "MlflowClient", runs: "Runs", facts: RegistryFacts) -> None:
        """Bring them to their runs, and forget them once they are there."""
        from mlflow.entities import Metric

        waiting = list(self._points)
        by_run: dict[str, list[Metric]] = {}
        for point in (one for points in waiting for one in points):
            run = runs.of(point.candidate, facts)
            by_run.setdefault(run, []).extend(
                Metric(name, value, point.time_ms, point.learned)
                for name, value in point.candidate.metrics.items()
                if value is not None
            )
        for run, metrics in by_run.items():
            for at in range(0, len(metrics), _BATCH):
                client.log_batch(run, metrics[at : at + _BATCH])
        for _ in waiting:
            self._points.popleft()


class Runs:
    """The runs of one learner's life, found again by their tags."""

    def __init__(self, client: "MlflowClient", use_case: str, learner: str, tags: Mapping[str, str]) -> None:
        """`tags` are put on every new run."""
        self._client, self._use_case, self._learner, self._tags = client, use_case, learner, tags
        self._experiment: str | None = None
        self._by_definition: dict[tuple[str, str], str] = {}

    @property
    def experiment(self) -> str:
        """The id of the use case's experiment, which is made when missing."""
        if self._experiment is None:
            found = self._client.get_experiment_by_name(self._use_case)
            if found is None:
                self._experiment = self._client.create_experiment(self._use_case)
            else:
                if found.lifecycle_stage == "deleted":  # by hand, while its use case lives: the name stays taken
                    self._client.restore_experiment(found.experiment_id)
                self._experiment = found.experiment_id
        return self._experiment

    @property
    def known(self) -> dict[str, tuple[str, str]]:
        """Experiment and run of each candidate that has one."""
        found = self._by_definition.copy()
        return {name: (self._experiment or "", run) for (name, _), run in found.items()}

    def of(self, candidate: CandidateFacts, facts: RegistryFacts) -> str:
        """The id of a candidate's run; one that is defined differently than before gets another."""
        key = candidate.name, sha256(candidate.definition.encode()).hexdigest()[:16]
        if key not in self._by_definition:
            found = self._find(*key)
            if found is not None:
                self._client.update_run(found, status="RUNNING")
            self._by_definition[key] = found or self._create(candidate, key[1], facts)
        return self._by_definition[key]

    def finish(self) -> None:
        """Say that nothing more comes for now."""
        for run in self._by_definition.values():
            self._client.update_run(run, status="FINISHED")

    def _find(self, candidate: str, definition: str) -> str | None:
        wanted = {"learner": self._learner, "candidate": candidate, "definition": definition}
        where = " AND ".join(f"tags.`headrace.{name}` = '{value}'" for name, value in wanted.items())
        found = self._client.search_runs([self.experiment], where, max_results=1, order_by=["start_time ASC"])
        return found[0].info.run_id if found else None

    def _create(self, candidate: CandidateFacts, definition: str, facts: RegistryFacts) -> str:
        from mlflow.entities import Param

        own = {"headrace.learner": self._learner, "headrace.candidate": candidate.name}
        tags = {**self._tags, **own, "headrace.definition": definition}
        run: str = self._client.create_run(self.experiment, tags=tags, run_name=candidate.name).info.run_id
        names = [name for name in candidate.metrics if not name.startswith("rolling_")]
        params = {"model": candidate.definition, "features": ", ".join(facts.features), "metric": names[0]}
        params["reported"] = ", ".join(names[1:])
        self._client.log_batch(run, params=[Param(name, text[:_LONGEST]) for name, text in params.items() if text])
        return run
