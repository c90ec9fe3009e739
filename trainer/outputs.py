"""What a learning trainer shows to others beside its checkpoints: status, snapshots, views, MLflow."""

from typing import Any

from confluent_kafka import Producer

from streaming.codec import to_text
from streaming.settings import Settings
from streaming.store import Store
from streaming.usecase import UseCase
from trainer.candidates import Candidate
from trainer.learner import Learner
from trainer.publisher import Publisher
from trainer.status import Reporter, learner_facts
from trainer.views import RedisSink, TopicSink, ViewPublisher


class Outputs:
    """Publishes what the learner knows, each thing at its own pace; nothing here makes the loop wait."""

    def __init__(  # the wiring of one trainer: each is made once, by its service
        self, settings: Settings, store: Store, producer: Producer, key: bytes, learner: Learner, shard: str, epoch: int
    ) -> None:
        """Everything published carries the epoch."""
        use_case = learner.use_case.name
        self._learner = learner
        self._reporter = Reporter(producer, use_case, shard, epoch)
        self._publisher = Publisher(settings.kafka, store, producer, key, (use_case, shard, epoch))
        self._views: ViewPublisher | None = None
        if type(learner.use_case).profile is not None:
            sink = RedisSink(settings.redis_url, use_case) if settings.redis_url else TopicSink(producer, use_case)
            self._views = ViewPublisher(sink, use_case, epoch, learner.state.profiles)

    @staticmethod
    def topics(use_case: UseCase) -> list[str]:
        """The compacted topics of the use case's own that are written here."""
        return [f"{use_case.name}.views"]

    def look(self, *, behind: bool) -> None:
        """Go on with what is on its way; `behind`: there is much to learn before the present."""
        learner = self._learner
        counts = learner.state.counts
        self._publisher.look(counts.learned, self._champion, self._clock(), behind=behind)
        if self._views is not None:
            self._views.touch(learner.take_touched())
            self._views.look(learner.state.profiles, learner.clock)

    def report_due(self) -> bool:
        """It is time for the next status."""
        return self._reporter.due()

    def report(self, facts: dict[str, Any]) -> None:
        """Publish the status: the learner's facts and the loop's."""
        newest = self._publisher.newest
        self._reporter.report(
            {
                **learner_facts(self._learner),
                "snapshot": newest and newest.snapshot,
                "snapshot_time": newest and newest.time,
                **facts,
            }
        )

    def close(self) -> None:
        """Finish what is on its way, or give it up."""
        self._publisher.close()
        if self._views is not None:
            self._views.close()

    def _champion(self) -> Candidate | None:
        name = self._learner.champion
        return None if name is None else self._learner.state.candidates[name]

    def _clock(self) -> str | None:
        return to_text(self._learner.clock) if self._learner.state.counts.events else None
