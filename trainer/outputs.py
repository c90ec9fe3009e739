"""What a learning trainer shows to others beside its checkpoints: status, snapshots, views, MLflow."""

import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Producer

from streaming.audit import audit_record
from streaming.checkpoints import Claim
from streaming.codec import to_text
from streaming.settings import Settings
from streaming.store import Store
from streaming.topics import AUDIT
from streaming.usecase import UseCase
from trainer.candidates import Candidate
from trainer.changes import Changes
from trainer.choice import Change
from trainer.learner import Learner
from trainer.observed import Observer
from trainer.publisher import Progress, Publisher
from trainer.registrar import Registrar
from trainer.registration import CandidateFacts, RegistryFacts
from trainer.saver import Offsets, by_topic
from trainer.status import Reporter, change_facts, learner_facts
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
        self._learner, self._producer = learner, producer
        self._who = use_case, shard, claim.learner
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
        self._audit(checkpointed)
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

    def _audit(self, checkpointed: int | None) -> None:
        """Tell of changes of the champion that a crash cannot take back; those that do not arrive are told again."""
        use_case, shard, learner = self._who
        untold = self._learner.state.choice.untold
        for change in [change for change in untold if checkpointed is not None and change.learned <= checkpointed]:
            id = f"{use_case}/{shard}/{learner}/champion/{change.number}"  # the record's own word
            facts = change_facts(change)
            key, value = audit_record("champion", use_case, "trainer", id=id, shard=shard, **facts)
            with contextlib.suppress(BufferError):
                self._producer.produce(AUDIT, key=key, value=value, on_delivery=partial(_strike_off, untold, change))

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
            change=self._change_to(newest.candidate) if newest else None,
        )

    def _change_to(self, candidate: str) -> dict[str, Any] | None:
        changes = self._learner.state.choice.changes
        return change_facts(changes[-1]) if changes and changes[-1].after == candidate else None

    def _champion(self) -> Candidate | None:
        name = self._learner.champion
        return None if name is None else self._learner.state.candidates[name]

    def _clock(self) -> str | None:
        return to_text(self._learner.clock) if self._learner.state.counts.events else None


def _strike_off(untold: "deque[Change]", change: Change, error: KafkaError | None, _record: object) -> None:
    """Kafka has it. In whichever thread asks the client for news."""
    if error is None:
        with contextlib.suppress(ValueError):
            untold.remove(change)
