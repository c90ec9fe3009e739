"""Checkpoints that do not stop learning: a forked child pickles, a thread uploads, the loop only looks in."""

import gc
import mmap
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from streaming.checkpoints import Checkpoints
from streaming.errors import HeadraceError, Unavailable
from streaming.merge import Place

log = structlog.get_logger()

Offsets = dict[Place, int]
_SHARE = 5  # checkpoints take at most one fifth of a core


@dataclass
class _Draft:
    """One checkpoint on its way: what the child writes into, and what it will cover."""

    file: int
    offsets: Offsets
    started: float
    pid: int
    sealed: bytes = b""


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
        self._busy_s = 0.0
        self._next = time.monotonic() + every_s
        self.saved_at: float | None = None
        self.saved_offsets: Offsets = {}
        self.failures = 0
        self.pause_s = 0.0
        self.size = 0

    @property
    def busy(self) -> bool:
        """A checkpoint is on its way."""
        return self._draft is not None

    def due(self) -> bool:
        """It is time for the next one."""
        return self._draft is None and time.monotonic() >= self._next

    def start(self, dump: Callable[[], bytes], offsets: Offsets) -> None:
        """Fork a child that writes what `dump` gives; the caller goes on at once."""
        by_topic: dict[str, dict[str, int]] = {}
        for place, offset in offsets.items():
            by_topic.setdefault(place.topic, {})[str(place.partition)] = offset
        seal = self._checkpoints.sealer({"offsets": by_topic})
        file = os.memfd_create("checkpoint")
        started = time.monotonic()
        # A collection in the child could run destructors of Kafka clients whose threads are not there, and hang.
        gc.disable()
        pid = os.fork()
        if pid == 0:
            _child(file, lambda: seal(dump()))
        gc.enable()
        self.pause_s = time.monotonic() - started
        self._draft = _Draft(file, offsets, started, pid)

    def look(self) -> None:
        """Go on with the checkpoint that is on its way, without waiting; `Fenced` when another trainer writes."""
        if self._draft is None:
            return
        if self._upload is not None:
            self._look_at_upload(self._draft)
        elif not self._draft.sealed:
            self._look_at_child(self._draft)
        elif time.monotonic() >= self._next:
            self._start_upload(self._draft)

    def finish(self, dump: Callable[[], bytes], offsets: Offsets, within_s: float) -> None:
        """Bring the state that is now to the store, and wait for it; raises what stops it."""
        deadline = time.monotonic() + within_s
        while True:
            if self._draft is None:
                if offsets == self.saved_offsets:
                    return
                self.start(dump, offsets)
            self.look()
            if time.monotonic() > deadline:
                raise Unavailable(f"the last checkpoint could not be stored within {within_s:g} s; nothing is lost")
            time.sleep(0.005)

    def close(self) -> None:
        """Give up what is on its way."""
        if self._draft is not None and not self._draft.sealed:
            os.kill(self._draft.pid, signal.SIGKILL)
            os.waitpid(self._draft.pid, 0)
        self._uploader.shutdown(wait=True, cancel_futures=True)

    def _look_at_child(self, draft: _Draft) -> None:
        pid, status, used = os.wait4(draft.pid, os.WNOHANG)
        if pid == 0:
            if time.monotonic() - draft.started > self._deadline_s:
                os.kill(draft.pid, signal.SIGKILL)
                os.waitpid(draft.pid, 0)
                self._fail(draft, f"it took longer than {self._deadline_s:g} s")
            return
        self._busy_s = used.ru_utime + used.ru_stime
        if status != 0:
            self._fail(draft, f"its process ended with {os.waitstatus_to_exitcode(status)}")
            return
        self.size = os.fstat(draft.file).st_size
        with mmap.mmap(draft.file, self.size, access=mmap.ACCESS_READ) as view:
            draft.sealed = bytes(view)
        os.close(draft.file)
        self._start_upload(draft)

    def _start_upload(self, draft: _Draft) -> None:
        self._upload = self._uploader.submit(self._put, draft.sealed)

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
            log.warning("checkpoint not stored, tried again each second", reason=str(error))
            return
        now = time.monotonic()
        self.saved_at, self.saved_offsets = now, draft.offsets
        self._draft = None
        self._wait_s = max(self._every_s, self._busy_s * _SHARE)
        self._next = draft.started + self._wait_s

    def _fail(self, draft: _Draft, why: str) -> None:
        os.close(draft.file)
        self.failures += 1
        self._draft = None
        self._next = time.monotonic() + self._wait_s
        log.warning("checkpoint failed, the next one follows", reason=why)


def _child(file: int, make: Callable[[], bytes]) -> None:
    """Write and leave: no logging, no clean-up, no return into the parent's code."""
    code = 1
    try:
        content = make()
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        code = 0
    except HeadraceError:
        code = 2
    finally:
        os._exit(code)
