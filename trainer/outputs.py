"""What a learning trainer shows to others beside its checkpoints: status, snapshots, views, MLflow."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import Producer

from streaming.checkpoints import Claim
from streaming.codec import to_text
from streaming.settings import Settings
from streaming.store import Store
from streaming.usecase import UseCase
from trainer.candidates import Candidate
from trainer.changes import Changes
from trainer.learner import Learner
from trainer.observed import Observer
from trainer.publisher import Progress, Publisher
from trainer.registrar import Registrar
from trainer.registration import CandidateFacts, RegistryFacts
from trainer.saver import Offsets, by_topic
from trainer.status import Reporter, learner_facts
from trainer.views import RedisSink, TopicSink, ViewPublisher

_LAST_VISIT_S = 10.0


class Outputs:
    """Publishes what the learner knows, each thing at its own pace; nothing here makes the loop wait."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        producer: Producer,
        key: bytes,
        learner: Learner,
        claim: Claim,
        check_owner: Callable[[], None],
    ) -> None:
        """Everything published carries the claim's epoch; `check_owner` raises `Fenced` when it is lost."""
        use_case, shard, epoch = learner.use_case.name, claim.shard, claim.epoch
        self._learner = learner
        self.observer = Observer(use_case, shard, learner)
        self.changes = Changes(learner)
        self._reporter = Reporter(producer, use_case, shard, epoch)
        self._publisher = Publisher(settings.kafka, store, producer, key, (use_case, shard, epoch))
        self._registrar: Registrar | None = None
        if settings.mlflow_tracking_uri:
            self._registrar = Registrar(settings, learner.use_case, shard, claim.learner, store, check_owner)
            self._registrar.start()
        self._views: ViewPublisher | None = None
        if type(learner.use_case).profile is not None:
            sink = RedisSink(settings.redis_url, use_case) if settings.redis_url else TopicSink(producer, use_case)
            self._views = ViewPublisher(sink, use_case, epoch, learner.state.profiles)

    @staticmethod
    def topics(use_case: UseCase) -> list[str]:
        """The compacted topics of the use case's own that are written here."""
        return [f"{use_case.name}.views"]

    def look(self, offsets: Offsets, *, behind: bool, written_s: float | None) -> None:
        """Go on with what is on its way; `behind`: there is much to learn before the present.

        `written_s`: when the newest record that was used had come to Kafka.
        """
        learner = self._learner
        progress = Progress(learner.state.counts.learned, self._clock(), offsets, written_s)
        self._publisher.look(progress, self._champion, behind=behind)
        if self._views is not None:
            self._views.touch(learner.take_touched())
            self._views.look(learner.state.profiles, learner.clock)

    def report_due(self) -> bool:
        """It is time for the next status."""
        return self._reporter.due()

    def report(self, facts: dict[str, Any], checkpointed: int | None) -> None:
        """Publish the status, the learner's facts and the loop's; and tell MLflow, as far as a checkpoint covers it."""
        if self._registrar is not None:
            self._registrar.offer(self._registry_facts(checkpointed))
        newest = self._publisher.newest
        self._learner.look_for_drift()
        told = learner_facts(self._learner)
        self.changes.look(told)
        self.observer.learned(self._learner, told)
        self.observer.published(self._publisher, self._registrar, self._views.waiting if self._views else 0)
        self._reporter.report(
            {
                **told,
                "snapshot": newest and newest.snapshot,
                "snapshot_time": newest and newest.time,
                **facts,
            }
        )

    def close(self) -> None:
        """Finish what is on its way, or give it up."""
        self._publisher.close()
        if self._registrar is not None:
            self._registrar.close(_LAST_VISIT_S)
        if self._views is not None:
            self._views.close()
        self.observer.close()

    def _registry_facts(self, checkpointed: int | None) -> RegistryFacts:
        state, newest = self._learner.state, self._publisher.newest
        recent = self._learner.recent
        return RegistryFacts(
            learned=state.counts.learned,
            candidates=tuple(
                CandidateFacts(c.name, c.definition, c.scores.values())
                for c in state.candidates.values()
                if c.failed is None
            ),
            pointer=newest,
            offsets=by_topic(self._publisher.offsets_of(newest)) if newest else {},
            checkpointed=checkpointed,
            features=tuple(sorted(state.features or ())),
            example=dict(recent[-1]) if recent else None,
        )

    def _champion(self) -> Candidate | None:
        name = self._learner.champion
        return None if name is None else self._learner.state.candidates[name]

    def _clock(self) -> str | None:
        return to_text(self._learner.clock) if self._learner.state.counts.events else None
