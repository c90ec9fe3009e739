"""From SIGKILL to learning again, for a trainer with a stable name, with a small and with a large state."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import learning
from benchmarks.cases import noise, pages
from streaming.control import read_status
from streaming.settings import Kafka

_TIMES = 5
_LESSONS = 22_000  # after which the forest of `noise` has 100 MB pickled (see `checkpoint`)
_GROW_S = 300.0


def run(folder: Path, bootstrap: str) -> None:
    """Kill a trainer with a filled topic in front of it, start it again, and wait for its first new lesson."""
    learning.fill(bootstrap, pages.PAGES, learning.from_pages(200_000)[0])
    learning.fill(bootstrap, noise.SAMPLES, noise.values(60_000))
    importing = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True).stdout
    print(f"\nrecovery: SIGKILL to learning again, {_TIMES} times each, seconds")
    print(f"{'state':<28}{'median':>8}{'worst':>8}")
    for name, lessons in (("pages", 1_000), ("noise", _LESSONS)):
        process = start(folder, bootstrap, name)
        wait(process)
        size = _grown(bootstrap, name, lessons)
        took = []
        for _ in range(_TIMES):
            time.sleep(1.5)  # some checkpoints
            process.kill()
            process.wait()
            started = time.perf_counter()
            process = start(folder, bootstrap, name)
            wait(process)
            took.append(time.perf_counter() - started)
        process.kill()
        process.wait()
        label = f"{name}, stored {size / 1e6:.1f} MB"
        print(f"{label:<28}{statistics.median(took):>8.2f}{max(took):>8.2f}", flush=True)
    print(f"of it the start of Python and the import of River: {float(importing):.2f}")


_IMPORTS = """
import time; began = time.perf_counter()
import trainer.service, usecases.registry
print(time.perf_counter() - began)
"""


def _grown(bootstrap: str, name: str, lessons: int) -> float:
    """Bytes of the newest checkpoint, once so much was learned."""
    deadline = time.monotonic() + _GROW_S
    while time.monotonic() < deadline:
        states = read_status(Kafka(bootstrap_servers=bootstrap), name)
        if states and states[0]["learned"] >= lessons and (size := states[0]["checkpoint"]["bytes"]):
            return float(size)
        time.sleep(0.5)
    raise SystemExit(f"the state of {name} has not learned {lessons} lessons")


def start(folder: Path, bootstrap: str, name: str) -> "subprocess.Popen[str]":
    """A trainer with a name."""
    environment = os.environ | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_INSTANCE": "bench",
        "HEADRACE_USE_CASES": f"benchmarks.cases.{name}",
        "HEADRACE_STORE": (folder / "recovery").as_uri(),
        "HEADRACE_SIGNING_KEY": "bench",
        "HEADRACE_CHECKPOINT_EVERY_S": "0.5",
    }
    command = [sys.executable, "-m", "headrace", "train", name]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def wait(process: "subprocess.Popen[str]") -> None:
    """Return when it says that it learns."""
    for line in process.stderr or ():
        if " learning " in line:
            return
    raise SystemExit("the trainer ended before it learned")
