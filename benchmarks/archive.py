"""Rows a second: `headrace archive` beside a plain loop (consume, Polars ndjson, one Delta commit per 100,000 rows)."""

import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.cases.archived import ARCHIVED
from benchmarks.learning import encoded, fill, peak
from producers.telecom import events as telecom
from usecases.telecom.events import USAGE

_EVENTS = 100_000
_REPEATED = 15
_RUNS = 3
_COMMANDS = {
    "archive": ("-m", "headrace", "archive", ARCHIVED.name, "--until-end"),
    "plain loop": ("-m", "benchmarks.cases.plain_archive"),
}


def run(folder: Path, bootstrap: str) -> None:
    """Fill a topic, then archive all of it three times with each, by turns, on one core."""
    usage = [event for topic, event in itertools.islice(telecom(seed=1, customers=60), 103_000) if topic is USAGE]
    fill(bootstrap, ARCHIVED, encoded(usage[:_EVENTS]) * _REPEATED)
    print(f"\narchive: rows/s of a filled topic ({_EVENTS * _REPEATED:,} events, 3 partitions) into Delta, on one core")
    print(f"{'':<12}{'rows/s':>9}{'peak MB':>9}")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMMANDS}
    for turn in range(_RUNS):
        for name, arguments in _COMMANDS.items():
            found[name].append(measured(arguments, bootstrap, folder / f"{name.replace(' ', '-')}-{turn}"))
    for name, runs in found.items():
        rate = sorted(rate for rate, _ in runs)[_RUNS // 2]
        print(f"{name:<12}{rate:>9.0f}{max(memory for _, memory in runs):>9.0f}", flush=True)


def measured(arguments: tuple[str, ...], bootstrap: str, store: Path) -> tuple[float, float]:
    """Rows a second by the closing line, joining the group included, and the process's peak memory in MB."""
    environment = os.environ | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_USE_CASES": "benchmarks.cases.archived",
        "HEADRACE_STORE": store.as_uri(),
    }
    log, peak_kb = store.with_suffix(".log"), 0
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, *arguments], stdout=file, stderr=file, env=environment)
        psutil.Process(process.pid).cpu_affinity([0])
        while process.poll() is None:
            peak_kb = max(peak_kb, peak(process.pid))
            time.sleep(0.1)
    said = log.read_text()
    figures = re.search(r"stopping +rows=(\d+) seconds=([\d.]+)", said)
    if figures is None:
        raise SystemExit(said)
    return int(figures[1]) / float(figures[2]), peak_kb / 1024
