"""From SIGKILL to learning again, for a trainer with a stable name."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import learning
from benchmarks.cases import pages
from streaming.control import read_status
from streaming.settings import Kafka

_TIMES = 5


def run(folder: Path, bootstrap: str) -> None:
    """Kill a trainer with a filled topic in front of it, start it again, and wait for its first new lesson."""
    values, _ = learning.from_pages(200_000)
    learning.fill(bootstrap, pages.PAGES, values)
    took = []
    process = start(folder, bootstrap)
    wait(process)
    for _ in range(_TIMES):
        time.sleep(1.5)  # some checkpoints
        process.kill()
        process.wait()
        started = time.perf_counter()
        process = start(folder, bootstrap)
        wait(process)
        took.append(time.perf_counter() - started)
    process.kill()
    process.wait()
    states = read_status(Kafka(bootstrap_servers=bootstrap), "pages")
    print(f"\nrecovery: SIGKILL to learning again, {_TIMES} times, epoch now {states[0]['epoch'] if states else '?'}")
    print(f"median {statistics.median(took):.2f} s, worst {max(took):.2f} s (the start of Python and River included)")


def start(folder: Path, bootstrap: str) -> "subprocess.Popen[str]":
    """A trainer with a name."""
    environment = os.environ | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_INSTANCE": "bench",
        "HEADRACE_USE_CASES": "benchmarks.cases.pages",
        "HEADRACE_STORE": (folder / "recovery").as_uri(),
        "HEADRACE_SIGNING_KEY": "bench",
        "HEADRACE_CHECKPOINT_EVERY_S": "0.5",
    }
    command = [sys.executable, "-m", "headrace", "train", "pages"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def wait(process: "subprocess.Popen[str]") -> None:
    """Return when it says that it learns."""
    for line in process.stderr or ():
        if " learning " in line:
            return
    raise SystemExit("the trainer ended before it learned")
