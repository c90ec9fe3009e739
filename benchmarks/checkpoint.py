"""How long a checkpoint stops learning, and what it costs, with a forest of 90 MB."""

import pickle
import random
import statistics
import time
from pathlib import Path

import psutil
from river import forest

from streaming.checkpoints import Checkpoints
from streaming.kafka import producer
from streaming.merge import Place
from streaming.settings import Kafka
from streaming.store import Store
from trainer.saver import Saver

_MB = 1 << 20
_TIMES = 40


def run(folder: Path, bootstrap: str) -> None:
    """Grow a forest until its pickle has 90 MB, then checkpoint it forty times beside a live Kafka client."""
    chance = random.Random(1)
    model, size, lessons = forest.ARFClassifier(n_models=10, seed=1), 0, 0
    while size < 90 * _MB:
        for _ in range(2_000):
            x = {f"x{i}": chance.gauss(0, 1) for i in range(13)}
            model.learn_one(x, sum(x.values()) + chance.gauss(0, 2) > 0)
        lessons += 2_000
        size = len(pickle.dumps(model, 5))
    client = producer(Kafka(bootstrap_servers=bootstrap))
    client.list_topics(timeout=10)
    checkpoints = Checkpoints(Store((folder / "forest").as_uri()), "forest", "0", b"bench")
    checkpoints.claim(lambda stored: stored)
    saver = Saver(checkpoints, every_s=0, deadline_s=60, before_put=lambda: None)
    pauses, seconds, child_peak = [], [], 0
    for offset in range(_TIMES):
        started = time.perf_counter()
        saver.start(lambda: pickle.dumps(model, 5), {Place("x", 0): offset}, offset)
        pauses.append(time.perf_counter() - started)
        while saver.busy:
            saver.look()
            child_peak = max(child_peak, _private(psutil.Process()))
            time.sleep(0.005)
        seconds.append(time.perf_counter() - started)
    saver.close()
    print(f"\ncheckpoint: ARF of 10 trees after {lessons} lessons, pickle {size / _MB:.0f} MB, {_TIMES} checkpoints")
    pauses.sort()
    print(f"pause of learning: median {statistics.median(pauses) * 1e3:.1f} ms, p99 {pauses[-1] * 1e3:.1f} ms")
    print(f"until stored: median {statistics.median(seconds):.2f} s, object {saver.size / _MB:.0f} MB")
    own = psutil.Process().memory_info().rss / _MB
    print(f"memory: process {own:.0f} MB, checkpoint's child at most {child_peak / _MB:.0f} MB of its own")


def _private(process: psutil.Process) -> int:
    """Bytes that the children hold for themselves, beyond what they share with the parent."""
    found = 0
    for child in process.children():
        try:
            found += child.memory_full_info().uss
        except psutil.Error:
            continue
    return found
