"""Events a second of `headrace replay` from the archive beside `headrace train --fresh` from Kafka, same events."""

import itertools
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.cases import pages, plan_logistic
from benchmarks.learning import encoded, fill, from_pages
from producers.telecom import events as telecom
from streaming.usecase import UseCase
from usecases.telecom.events import USAGE
from usecases.telecom.plan import Plan

_RUNS = 3
_COMMANDS = {"train": ("train", "--fresh", "--until-end"), "replay": ("replay", "--until-end")}


def run(folder: Path, bootstrap: str) -> None:
    """Fill the topics, archive them, and learn them by turns from the one and from the other."""
    usage = [event for topic, event in itertools.islice(telecom(seed=1, customers=60), 21_000) if topic is USAGE]
    fill(bootstrap, USAGE, encoded(usage[:20_000]))
    fill(bootstrap, pages.PAGES, from_pages(200_000)[0])
    headrace(folder, bootstrap, "archive", "--until-end", USAGE.name, pages.PAGES.name)
    print("\nreplay: events/s from the archive and from Kafka (3 partitions), and the seconds of processor they took")
    print(f"{'use case':<16}{'events':>9}{'train/s':>9}{'replay/s':>10}{'ratio':>7}{'train s':>9}{'replay s':>10}")
    use_cases: list[UseCase] = [Plan(), plan_logistic.PlanLogistic(), pages.Pages()]
    for use_case in use_cases:
        found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in _COMMANDS}
        for name in [*_COMMANDS] * _RUNS:
            found[name].append(measured(folder, bootstrap, use_case.name, _COMMANDS[name]))
        middle = {name: sorted(runs)[_RUNS // 2] for name, runs in found.items()}
        (train, train_s, events), (replay, replay_s, _) = middle["train"], middle["replay"]
        ratio = sorted(ours[0] / theirs[0] for theirs, ours in zip(*found.values(), strict=True))[_RUNS // 2]
        row = f"{use_case.name:<16}{events:>9}{train:>9.0f}{replay:>10.0f}{ratio:>7.2f}{train_s:>9.1f}{replay_s:>10.1f}"
        print(row, flush=True)


def measured(folder: Path, bootstrap: str, use_case: str, command: tuple[str, ...]) -> tuple[float, float, int]:
    """Events a second by the closing line, seconds of processor with all that starts and ends it, and events."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = headrace(folder, bootstrap, *command, use_case)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"stopping +events=(\d+) seconds=([\d.]+)", said)
    if found is None:
        raise SystemExit(said)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(found[1]) / float(found[2]), seconds, int(found[1])


def headrace(folder: Path, bootstrap: str, *arguments: str) -> str:
    """What a command says on stderr."""
    environment = os.environ | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_USE_CASES": "benchmarks.cases.pages,benchmarks.cases.plan_logistic",
        "HEADRACE_STORE": (folder / "replayed").as_uri(),
        "HEADRACE_SIGNING_KEY": "bench",
    }
    command = [sys.executable, "-m", "headrace", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stderr
