"""Process metrics of a parent with its workers."""

import os
import subprocess
import sys

from streaming.workers import Workers


def sample(parent):
    """By name."""
    return {one.name: one.value for family in Workers(parent).collect() for one in family.samples}


def test_parent_and_children_are_added_up():
    """Memory and files of all of them."""
    alone = sample(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as child:
        assert child.stdout
        child.stdout.readline()
        both = sample(os.getpid())
        child.communicate(b"\n")
    assert both["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"] + 1_000_000
    assert both["process_open_fds"] > alone["process_open_fds"] + 2


def test_the_time_of_workers_that_ended_is_not_lost():
    """A counter must not fall."""
    before = sample(os.getpid())["process_cpu_seconds_total"]
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert sample(os.getpid())["process_cpu_seconds_total"] > before + 0.1


def test_a_parent_that_is_gone_counts_nothing():
    """As where there is no /proc."""
    assert sample(2**22 + 1)["process_open_fds"] == 0
