"""Events a second: the trainer on real Kafka beside the bare River loop, same candidates, same events."""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from river import datasets, utils

from benchmarks.cases import pages, plan_logistic
from producers.telecom import events as telecom
from streaming.codec import Codec
from streaming.kafka import ensure_topics, producer
from streaming.settings import Kafka
from streaming.topics import Topic
from streaming.usecase import Example, Features, Label, UseCase
from usecases.telecom.events import USAGE
from usecases.telecom.plan import Plan

Examples = list[tuple[Features, Label]]
Values = list[tuple[str, bytes]]
_PAIRS = 3


def run(folder: Path, bootstrap: str) -> None:
    """Fill topics, learn them with `headrace train --until-end`, and with a loop over the same examples."""
    print("\nlearning: events/s of the trainer on Kafka (3 partitions) and of a bare River loop on ready-made examples")
    print(f"{'use case':<16}{'candidates':>11}{'events':>9}{'trainer/s':>11}{'River/s':>9}{'ratio':>7}{'peak MB':>9}")
    usage = [event for topic, event in itertools.islice(telecom(seed=1, customers=60), 60_000) if topic is USAGE]
    for use_case, topic, values, examples in (
        (Plan(), USAGE, encoded(usage[:20_000]), from_usage(usage[:20_000])),
        (plan_logistic.PlanLogistic(), USAGE, encoded(usage[:20_000]), from_usage(usage[:20_000])),
        (pages.Pages(), pages.PAGES, *from_pages(200_000)),
    ):
        fill(bootstrap, topic, values)
        pairs = [(bare(use_case, examples), trainer(folder, bootstrap, use_case)) for _ in range(_PAIRS)]
        river = sorted(rate for rate, _ in pairs)[_PAIRS // 2]
        ours = sorted(rate for _, (rate, _) in pairs)[_PAIRS // 2]
        ratio = sorted(ours / alone for alone, (ours, _) in pairs)[_PAIRS // 2]
        peak = max(memory for _, (_, memory) in pairs)
        row = f"{use_case.name:<16}{len(use_case.candidates):>11}{len(values):>9}"
        print(f"{row}{ours:>11.0f}{river:>9.0f}{ratio:>7.2f}{peak:>9.0f}", flush=True)


def bare(use_case: UseCase, examples: Examples) -> float:
    """Events a second of predict, lifetime metric, rolling metric, learn: nothing else."""
    kind = type(use_case)
    pool = []
    for factory in kind.candidates.values():
        metrics = kind.metrics()
        rolling = [utils.Rolling(type(m), window_size=kind.window) for m in metrics]
        pool.append((factory(), [*metrics, *rolling]))
    started = time.perf_counter()
    for x, y in examples:
        for model, metrics in pool:
            said = model.predict_one(x)
            if said is not None:
                for metric in metrics:
                    metric.update(y, said)
            model.learn_one(x, y)
    return len(examples) / (time.perf_counter() - started)


def trainer(folder: Path, bootstrap: str, use_case: UseCase) -> tuple[float, float]:
    """Events a second by the trainer's own closing line, and its peak memory in MB."""
    command = [sys.executable, "-m", "headrace", "train", use_case.name, "--until-end", "--fresh"]
    environment = os.environ | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_INSTANCE": "bench",
        "HEADRACE_USE_CASES": "benchmarks.cases.pages,benchmarks.cases.plan_logistic",
        "HEADRACE_STORE": (folder / "store").as_uri(),
        "HEADRACE_SIGNING_KEY": "bench",
    }
    log, peak_kb = folder / "bench.log", 0
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file, env=environment)
        while process.poll() is None:
            peak_kb = max(peak_kb, peak(process.pid))
            time.sleep(0.1)
    said = log.read_text()
    found = re.search(r"stopping +events=(\d+) seconds=([\d.]+)", said)
    if found is None:
        raise SystemExit(said)
    return int(found[1]) / float(found[2]), peak_kb / 1024


def peak(pid: int) -> int:
    """The most memory that a process has held so far, kB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def fill(bootstrap: str, topic: Topic, values: Values) -> None:
    """Write the records once; a topic that is filled already stays as it is."""
    kafka = Kafka(bootstrap_servers=bootstrap)
    ensure_topics(kafka, [topic.name])
    if topic.name in _filled:
        return
    _filled.add(topic.name)
    client = producer(kafka)
    for key, value in values:
        client.produce(topic.name, key=key, value=value)
        if len(client) > 50_000:
            client.flush()
    client.flush()


_filled: set[str] = set()


def encoded(events: Iterable[dict[str, Any]]) -> Values:
    """Usage events as records."""
    codec = Codec(USAGE)
    return [(codec.key(event), codec.encode(event)) for event in events]


def from_usage(events: Iterable[dict[str, Any]]) -> Examples:
    """The examples that `plan` makes of usage events."""
    use_case, profiles = Plan(), dict[str, Any]()
    found: Examples = []
    for event in events:
        profile = profiles.setdefault(event["customer_id"], Plan.profile())
        outcomes: Any = use_case.learn(event, profile)
        example: Example = next(outcomes)
        found.append((example.x, example.y or ""))
    return found


def from_pages(count: int) -> tuple[Values, Examples]:
    """Phishing again and again, each row with its own second."""
    rows = list(itertools.islice(itertools.cycle(datasets.Phishing()), count))
    values = [
        (f"p{i}", json.dumps({"page": f"p{i}", "second": i, "x": x, "is_phishing": y}).encode())
        for i, (x, y) in enumerate(rows)
    ]
    return values, [(dict(x), y) for x, y in rows]
