"""One candidate trained from the archive beside a trainer, up to its newest checkpoint; it joins at the next start."""

import threading
from collections.abc import Callable
from typing import Any

import structlog

from streaming.archive_source import ArchiveSource
from streaming.checkpoints import Checkpoints, Stored
from streaming.errors import HeadraceError
from streaming.kafka import topic_ids, wait_for_kafka
from streaming.merge import Place
from streaming.sealed import Header
from streaming.settings import Settings
from streaming.signing import signing_key
from streaming.store import Store
from streaming.usecase import UseCase
from trainer import stored
from trainer.alone import alone, bring_to
from trainer.candidates import Candidate
from trainer.joining import Joining
from trainer.stored import Loaded
from trainer.summary import Learned, summary

log = structlog.get_logger()

_ROUNDS = 20
"""How often a trainer that learns as fast as we do is followed to one more checkpoint."""

Progress = Callable[[int, int], None]


class CandidateReplay:
    """Trains `name` from nothing, in every shard that has learned something."""

    def __init__(self, settings: Settings, use_case: UseCase, name: str, stop: threading.Event) -> None:
        """`stop` ends it, with nothing stored."""
        self._settings, self._use_case, self._name, self._stop = settings, use_case, name, stop
        self._store, self._key = Store(settings.store), signing_key(settings)

    def run(self, progress: Progress) -> dict[str, Any]:
        """Replay, and put the candidate where the trainer looks for it; the summary of what it has learned."""
        use_case = self._use_case
        wait_for_kafka(self._settings.kafka)
        shards = {name.split("/")[0] for name in self._store.names(f"checkpoints/{use_case.name}")}
        if not shards:
            raise HeadraceError(f"{use_case.name} has no checkpoint yet: all its candidates begin with its trainer")
        return summary([self._replay(shard, progress) for shard in sorted(shards, key=int)])

    def _replay(self, shard: str, progress: Progress) -> Learned:
        settings, use_case = self._settings, self._use_case
        row = Checkpoints(self._store, use_case.name, shard, self._key)
        newest = self._newest(row)
        there = stored.read(use_case, newest.header, newest.content)
        self._check(there)
        mine = alone(use_case, self._name, there.topic_ids)
        mine.partitions = there.partitions
        source = ArchiveSource(
            settings,
            settings.kafka,
            use_case.topics,
            group=f"headrace.{use_case.name}.alone",
            reader=use_case.name,
            only=int(shard) if use_case.sharded else None,
            progress=progress,
        )
        try:
            for _ in range(_ROUNDS):
                learner = bring_to(_offsets(newest.header), mine, use_case, source, settings, self._beat)
                again = self._newest(row)
                if again.header["learner"] != newest.header["learner"]:
                    raise HeadraceError(
                        f"{use_case.name} was started anew meanwhile: candidate {self._name} is not kept"
                    )
                if again.number <= newest.number:
                    break
                newest = again
        finally:
            source.close()
        Joining(settings, self._store, use_case, shard, self._key).put(self._name, newest.header["learner"], mine)
        facts = {"use_case": use_case.name, "shard": shard, "checkpoint": newest.number}
        log.info("the candidate joins when the trainer begins again", candidate=self._name, **facts)
        return learner, mine.offsets

    def _newest(self, row: Checkpoints) -> Stored:
        newest = row.newest()
        if newest is None:
            raise HeadraceError(f"{row.prefix} holds no checkpoint yet: all candidates begin with the trainer")
        return newest

    def _check(self, there: Loaded) -> None:
        """What is there must want this candidate, and come from the topics that there are."""
        use_case, name = self._use_case, self._name
        known = there.state.candidates.get(name)
        if known is not None and known.definition == Candidate.new(type(use_case), name).definition:
            raise HeadraceError(f"candidate {name} of {use_case.name} learns already: there is nothing to replay")
        now = topic_ids(self._settings.kafka, there.topic_ids)
        for topic, id in there.topic_ids.items():
            if now[topic] != id:
                raise HeadraceError(
                    f"the topic {topic} was deleted and made again since the checkpoint: rebuild all of "
                    f"{use_case.name} with `headrace replay {use_case.name}`"
                )

    def _beat(self) -> None:
        if self._stop.is_set():
            raise HeadraceError(f"stopped: candidate {self._name} of {self._use_case.name} is not kept")


def _offsets(header: Header) -> dict[Place, int]:
    """Where a checkpoint stands."""
    return {Place(topic, int(part)): at for topic, parts in header["offsets"].items() for part, at in parts.items()}
