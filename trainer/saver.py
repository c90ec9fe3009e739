"""Checkpoints that do not stop learning: a forked child pickles, a thread uploads, the loop only looks in."""

import pickle
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog

from streaming.checkpoints import Checkpoints
from streaming.errors import Unavailable
from streaming.merge import Place
from trainer.fork import Dump, Failed

log = structlog.get_logger()

Offsets = dict[Place, int]
_WEIGH_EVERY_S = 60.0
SHARE = 10
"""Checkpoints take at most a tenth of a core, snapshots another."""


def by_topic(offsets: Offsets) -> dict[str, dict[str, int]]:
    """Offsets as JSON has them: topic, partition as text, next offset."""
    found: dict[str, dict[str, int]] = {}
    for place, offset in sorted(offsets.items()):
        found.setdefault(place.topic, {})[str(place.partition)] = offset
    return found


@dataclass
class _Draft:
    """One checkpoint on its way: what it will cover, its dump, and the object once that is done."""

    offsets: Offsets
    learned: int
    started: float
    dump: Dump
    sealed: bytes = b""


def weigh(candidates: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of each one's pickle; nothing of it is kept.

    >>> weigh({"a": b"x" * 1000})
    {'a': 1018}
    """
    sizes = {}
    for name, model in candidates.items():
        scale = _Scale()
        pickle.Pickler(scale, 5).dump(model)
        sizes[name] = scale.total
    return sizes


class _Scale:
    """A file that only counts."""

    total = 0

    def write(self, data: bytes) -> int:
        self.total += len(data)
        return len(data)


class Saver:
    """Writes checkpoints of one learner, one at a time."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        every_s: float,
        deadline_s: float,
        before_put: Callable[[], None],
    ) -> None:
        """`before_put` returns when everything that the checkpoint covers is published (dead letters)."""
        self._checkpoints, self._before_put = checkpoints, before_put
        self._every_s, self._deadline_s = every_s, deadline_s
        self._draft: _Draft | None = None
        self._upload: Future[None] | None = None
        self._uploader = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._wait_s = every_s
        self._next = time.monotonic() + every_s
        self.saved_at: float | None = None
        self.saved_offsets: Offsets = {}
        self.saved_learned: int | None = None
        """Examples learned in the newest checkpoint that is in the store; None while there is none."""
        self._away_since: float | None = None
        self.failures = 0
        self.stored = 0
        """Checkpoints that are in the store, since the start."""
        self.stored_time = 0.0
        """When the newest of them came there, seconds since 1970."""
        self.took_s = 0.0
        """From its fork to the stored object."""
        self.pause_s = 0.0
        self.size = 0
        self.sizes: dict[str, int] = {}
        """Bytes of each candidate's pickle, as they were last measured."""
        self._weigh_next = 0.0

    @property
    def refused(self) -> int:
        """Checkpoints that were passed over at the start."""
        return self._checkpoints.refused

    @property
    def busy(self) -> bool:
        """A checkpoint is on its way."""
        return self._draft is not None

    def due(self) -> bool:
        """It is time for the next one."""
        return self._draft is None and time.monotonic() >= self._next

    def check_owner(self) -> None:
        """Raise `Fenced` when another trainer has claimed."""
        self._checkpoints.check_owner()

    def start(
        self, dump: Callable[[], bytes], offsets: Offsets, learned: int, models: Mapping[str, Any] | None = None
    ) -> None:
        """Fork a child that writes what `dump` gives, and now and then weighs `models`; the caller goes on."""
        facts: dict[str, Any] = {"offsets": by_topic(offsets)}
        seal, measured = self._checkpoints.sealer(facts), self._to_measure(models or {})

        def make() -> bytes:
            facts["sizes"] = weigh(measured)
            return seal(dump())

        child = Dump(make, self._deadline_s)
        self.pause_s = child.pause_s
        self._draft = _Draft(offsets, learned, time.monotonic(), child)

    def look(self) -> None:
        """Go on with the checkpoint that is on its way, without waiting; `Fenced` when another trainer writes."""
        draft = self._draft
        if draft is None:
            return
        if self._upload is not None:
            self._look_at_upload(draft)
        elif not draft.sealed:
            self._look_at_child(draft)
        elif time.monotonic() >= self._next:
            self._upload = self._uploader.submit(self._put, draft.sealed)

    def finish(self, dump: Callable[[], bytes], offsets: Offsets, learned: int, within_s: float) -> None:
        """Bring the state that is now to the store, and wait for it; raises what stops it."""
        deadline = time.monotonic() + within_s
        while True:
            if self._draft is None:
                if offsets == self.saved_offsets:
                    return
                self.start(dump, offsets, learned)
            self.look()
            if time.monotonic() > deadline:
                raise Unavailable(f"the last checkpoint could not be stored within {within_s:g} s; nothing is lost")
            time.sleep(0.005)

    def close(self) -> None:
        """Give up what is on its way."""
        if self._draft is not None and not self._draft.sealed:
            self._draft.dump.stop()
        self._uploader.shutdown(wait=True, cancel_futures=True)

    def _to_measure(self, models: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of them once a minute: the largest take as long again as the checkpoint itself."""
        if time.monotonic() < self._weigh_next:
            return {}
        self._weigh_next = time.monotonic() + _WEIGH_EVERY_S
        return models

    def _look_at_child(self, draft: _Draft) -> None:
        try:
            sealed = draft.dump.result()
        except Failed as error:
            self.failures += 1
            self._draft = None
            self._next = time.monotonic() + self._wait_s
            if self._away_since is None:
                self._away_since = time.monotonic()
                log.warning("checkpoint failed, the next one follows", reason=str(error))
            return
        if sealed is not None:
            draft.sealed, self.size = sealed, len(sealed)
            self.sizes = self._checkpoints.facts(sealed)["sizes"] or self.sizes
            self._upload = self._uploader.submit(self._put, sealed)

    def _put(self, sealed: bytes) -> None:
        self._before_put()
        self._checkpoints.put(sealed)

    def _look_at_upload(self, draft: _Draft) -> None:
        if self._upload is None or not self._upload.done():
            return
        done, self._upload = self._upload, None
        try:
            done.result()
        except Unavailable as error:
            self.failures += 1
            self._next = time.monotonic() + 1
            if self._away_since is None:
                self._away_since = time.monotonic()
                log.warning("checkpoint not stored, tried again each second", reason=str(error))
            return
        if self._away_since is not None:
            log.info("checkpoints are stored again", after_s=round(time.monotonic() - self._away_since, 1))
            self._away_since = None
        self.saved_at, self.saved_offsets, self.saved_learned = time.monotonic(), draft.offsets, draft.learned
        self.stored += 1
        self.stored_time, self.took_s = time.time(), time.monotonic() - draft.started
        self._draft = None
        self._wait_s = max(self._every_s, draft.dump.busy_s * SHARE)
        self._next = draft.started + self._wait_s
