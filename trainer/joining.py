"""Candidates that were trained from the archive beside a trainer: put into the store, joined at its next start.

    candidates/<use case>/<shard>/<name>.ckpt

The object is a whole learner with this candidate alone, as it was at the offsets of one of the trainer's checkpoints.
At the next start it is brought forward to the offsets of the checkpoint that the trainer goes on from; then the model,
its scores and what it says of the open questions are taken over, as if the candidate had been there all the time.
"""

import time
from collections.abc import Callable
from urllib.parse import quote

import structlog

from streaming import sealed
from streaming.checkpoints import Stored
from streaming.errors import Damaged, HeadraceError, Unavailable
from streaming.settings import Settings
from streaming.store import Store
from streaming.usecase import UseCase
from trainer import stored
from trainer.alone import bring_to, open_from
from trainer.saver import by_topic
from trainer.stored import Loaded

log = structlog.get_logger()


class Joining:
    """The candidates that wait to join one learner."""

    def __init__(self, settings: Settings, store: Store, use_case: UseCase, shard: str, key: bytes) -> None:
        """`shard` is the partition of a sharded use case, else 0."""
        self._settings, self._store, self._use_case, self._key = settings, store, use_case, key
        self._name = {"kind": "candidate", "use_case": use_case.name, "shard": shard}
        self._folder = f"candidates/{use_case.name}/{shard}"
        self._only = int(shard) if use_case.sharded else None

    def put(self, candidate: str, learner: str, learned: Loaded) -> None:
        """Keep a candidate until the learner with this id begins again; one that waits under the same name goes."""
        header = self._name | {"candidate": candidate, "learner": learner, "written": time.time()}
        header |= {"offsets": by_topic(learned.offsets), "definition": learned.state.candidates[candidate].definition}
        content = stored.dump(learned.state, learned.clock, learned.offsets, learned.topic_ids, learned.partitions)
        self._store.delete(self._object(candidate))
        self._store.put_new(self._object(candidate), sealed.seal(header, content, self._key))

    def join(self, checkpoint: Stored, loaded: Loaded, beat: Callable[[], None]) -> None:
        """Let those that wait for this checkpoint's learner take the places of the candidates that would start fresh.

        One that has joined before is removed; `loaded.said` tells what became of the others. `beat` is called often.
        """
        waiting = set(self._store.names(self._folder))
        for name in [name for name in loaded.state.candidates if self._object(name).split("/")[-1] in waiting]:
            try:
                self._join(name, checkpoint, loaded, beat)
            except Unavailable:
                raise
            except HeadraceError as error:
                loaded.said.append(f"what was replayed for candidate {name} is left out: {error}")

    def _join(self, name: str, checkpoint: Stored, loaded: Loaded, beat: Callable[[], None]) -> None:
        header, content = sealed.unseal(self._store.get(self._object(name)) or b"", self._key)
        if any(header.get(field) != wanted for field, wanted in (self._name | {"candidate": name}).items()):
            raise Damaged("it belongs to another place")
        same = header["definition"] == loaded.state.candidates[name].definition
        if name not in loaded.fresh:
            if same:
                self._store.delete(self._object(name))
            return
        if header["learner"] != checkpoint.header["learner"]:
            raise HeadraceError("the learner was started anew since")
        if not same:
            raise HeadraceError("it is defined differently now")
        found = stored.read(self._use_case, header, content)
        if found.topic_ids != loaded.topic_ids or found.partitions != loaded.partitions:
            raise HeadraceError("the topics have changed since")
        if any(offset > loaded.offsets.get(place, -1) for place, offset in found.offsets.items()):
            raise HeadraceError("it has learned more than the checkpoint holds")
        self._bring(name, found, loaded, beat)
        take_over(name, found, loaded)

    def _bring(self, name: str, found: Loaded, loaded: Loaded, beat: Callable[[], None]) -> None:
        behind = sum(loaded.offsets.values()) - sum(found.offsets.values())
        log.info("a replayed candidate catches up", use_case=self._use_case.name, candidate=name, behind=behind)
        source = open_from(found.offsets, self._settings, self._use_case, self._only)
        try:
            bring_to(loaded.offsets, found, self._use_case, source, self._settings, beat)
        finally:
            source.close()

    def _object(self, candidate: str) -> str:
        return f"{self._folder}/{quote(candidate, safe='')}.ckpt"


def take_over(name: str, found: Loaded, loaded: Loaded) -> None:
    """Put a candidate that stands at the same offsets into the state: model, scores, and what it said when asked."""
    state, other = loaded.state, found.state
    state.candidates[name] = other.candidates[name]
    for id, question in state.join.open.items():
        asked = other.join.open.get(id)
        if asked is not None and name in asked.predictions:
            question.predictions[name] = asked.predictions[name]
    loaded.fresh.remove(name)
    loaded.said = [sentence for sentence in loaded.said if not sentence.startswith(f"candidate {name} is ")]
    loaded.said.append(f"candidate {name} joins as it was replayed: {other.counts.learned} examples learned")
