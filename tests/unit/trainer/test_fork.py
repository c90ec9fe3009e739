"""The forked dump: what the child writes arrives, and a child that fails or hangs is noticed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from streaming.errors import HeadraceError
from tests.support import wait_for
from trainer.fork import Dump, Failed


def finish(dump: Dump) -> bytes:
    return wait_for(dump.result, timeout_s=30, what="the dump")


def test_the_parent_goes_on_while_the_child_dumps_the_state_of_the_fork():
    state = {"n": 1}
    dump = Dump(lambda: str(state).encode() * 100_000, 30)
    state["n"] = 2
    assert finish(dump) == b"{'n': 1}" * 100_000
    assert dump.pause_s < 1


@pytest.mark.parametrize("error", [ValueError("x"), HeadraceError("x"), MemoryError()])
def test_a_child_that_raises_is_a_failure_and_leaves_nothing(error):
    def make() -> bytes:
        raise error

    before = len(list(Path("/proc/self/fd").iterdir()))
    dump = Dump(make, 30)
    with pytest.raises(Failed, match="its process ended with"):
        finish(dump)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not psutil.pid_exists(dump.pid)


def test_a_child_that_is_killed_is_a_failure():
    dump = Dump(lambda: time.sleep(60) or b"", 30)  # type: ignore[func-returns-value]
    os.kill(dump.pid, signal.SIGKILL)
    with pytest.raises(Failed, match="-9"):
        finish(dump)


def test_a_child_that_takes_too_long_is_ended():
    dump = Dump(lambda: time.sleep(60) or b"", 0.05)  # type: ignore[func-returns-value]
    with pytest.raises(Failed, match="longer than 0.05 s"):
        finish(dump)
    assert not psutil.pid_exists(dump.pid)


_HANGING_CHILD = """
import time
from trainer.fork import Dump
print(Dump(lambda: time.sleep(600), 600).pid, flush=True)
time.sleep(600)
"""


def test_a_child_that_hangs_dies_with_a_parent_that_was_killed():
    with subprocess.Popen([sys.executable, "-c", _HANGING_CHILD], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, timeout_s=10, what="its end")
    assert not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE
