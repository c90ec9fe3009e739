"""Process metrics of a parent with its workers."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import ProcessCollector

from streaming.workers import Workers


def own(pid):
    """What a process without workers shows, by name."""
    collector = ProcessCollector(pid=lambda: pid, registry=None)
    return {one.name: one.value for family in collector.collect() for one in family.samples}


def sample(parent):
    """By name."""
    return {one.name: one.value for family in Workers(parent).collect() for one in family.samples}


@contextmanager
def waiting() -> Iterator[int]:
    """A process that has begun and waits, by its id."""
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")


def test_parent_and_children_are_added_up():
    """Memory and files of all of them."""
    alone = sample(os.getpid())
    with waiting():
        both = sample(os.getpid())
    assert both["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"] + 1_000_000
    assert both["process_open_fds"] > alone["process_open_fds"] + 2


def test_a_parent_without_workers_shows_what_prometheus_client_shows():
    """The same names, so that alerts see both modes of the API; the same numbers, where they do not move."""
    with waiting() as pid:
        workers, alone = sample(pid), own(pid)
    assert workers.keys() == alone.keys()
    for name in ("process_start_time_seconds", "process_max_fds"):
        assert workers[name] == pytest.approx(alone[name], abs=1.0)
    assert workers["process_virtual_memory_bytes"] == pytest.approx(alone["process_virtual_memory_bytes"], rel=0.1)


def test_a_worker_that_is_started_again_is_seen():
    """By the time of the newest start; each brings its own room for files."""
    alone = sample(os.getpid())
    with waiting():
        both = sample(os.getpid())
    assert both["process_start_time_seconds"] == pytest.approx(time.time(), abs=30)
    assert both["process_start_time_seconds"] > alone["process_start_time_seconds"]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert both["process_max_fds"] == alone["process_max_fds"] + most  # beside what other tests have left


def test_the_time_of_workers_that_ended_is_not_lost():
    """A counter must not fall."""
    before = sample(os.getpid())["process_cpu_seconds_total"]
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert sample(os.getpid())["process_cpu_seconds_total"] > before + 0.1


def test_a_parent_that_is_gone_counts_nothing():
    """As where there is no /proc."""
    assert sample(2**22 + 1)["process_open_fds"] == 0
