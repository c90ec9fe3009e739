"""A dump that does not stop the process: a forked child pickles what is there at this moment, the parent goes on."""

import ctypes
import gc
import mmap
import os
import signal
import time
from collections.abc import Callable

from streaming.errors import HeadraceError
from streaming.failpoints import failpoint

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before any fork


class Failed(Exception):
    """The child did not finish; the message says how."""


class Dump:
    """One dump on its way. The child writes into a file without a name, so nothing is left behind by a crash."""

    def __init__(self, make: Callable[[], bytes], deadline_s: float) -> None:
        """Fork; `make` runs in the child on the memory of this moment."""
        self._file = os.memfd_create("headrace-dump")
        self._deadline_s = deadline_s
        self._started = time.monotonic()
        collecting = gc.isenabled()
        # A collection in the child could run destructors of Kafka clients whose threads are not there, and hang.
        gc.disable()
        parent = os.getpid()
        with failpoint("fork"):
            self.pid = os.fork()
        if self.pid == 0:
            _child(self._file, make, parent)
        if collecting:
            gc.enable()
        self.pause_s = time.monotonic() - self._started
        """How long the fork stopped this process."""
        self.busy_s = 0.0
        """Processor seconds of the child, once it has ended."""

    def result(self) -> bytes | None:
        """What the child wrote, or None while it writes; raises `Failed` when it failed or took too long."""
        pid, status, used = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            if time.monotonic() - self._started > self._deadline_s:
                self.stop()
                raise Failed(f"it took longer than {self._deadline_s:g} s")
            return None
        self.busy_s = used.ru_utime + used.ru_stime
        try:
            if status != 0:
                raise Failed(f"its process ended with {os.waitstatus_to_exitcode(status)}")
            size = os.fstat(self._file).st_size
            with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as view:
                return bytes(view)
        finally:
            os.close(self._file)

    def stop(self) -> None:
        """End the child, by its pid."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._file)


def _child(file: int, make: Callable[[], bytes], parent: int) -> None:
    """Write and leave: no logging, no clean-up, no return into the parent's code.

    It dies with its parent (prctl(2), PR_SET_PDEATHSIG): nobody else would end one that hangs.
    """
    code = 1
    try:
        if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0 or os.getppid() != parent:
            return
        view = memoryview(make())
        while view:
            view = view[os.write(file, view) :]
        code = 0
    except HeadraceError:
        code = 2
    finally:
        os._exit(code)
