"""`make soak`: a long run of kills at random moments, and a table of what came out; exit 1 on any difference."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from headrace.local.kafka import LocalKafka
from tests.soak import filled
from tests.soak.run import Findings, Plan, run
from tests.support import CommandLine
from tests.warm import WarmLine, nursery


def main() -> int:
    """Run both parts; the exit code."""
    options = _options()
    print(f"seed {options.seed}: `make soak ARGS='--seed {options.seed}'` chooses the same moments", flush=True)
    started, wrong = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="headrace-soak-") as folder:
        for title, part in (("while a producer writes", _live), ("topics filled beforehand", _filled)):
            home = Path(folder) / title.replace(" ", "-")
            home.mkdir()
            findings = part(home, options)
            _print(title, findings)
            wrong += findings.wrong
    print(f"\n{len(wrong)} differences, {time.monotonic() - started:.0f} s in all, seed {options.seed}")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, help="how long processes are killed (default 1200)")
    parser.add_argument("--kills", type=int, default=100, help="go on until there were so many (default 100)")
    parser.add_argument("--rate", type=float, default=200, help="events a second (default 200)")
    parser.add_argument("--cold", action="store_true", help="start each process by its command line, imports and all")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of every choice that is ours")
    return parser.parse_args()


def _live(home: Path, options: argparse.Namespace) -> Findings:
    plan = Plan(options.seed, options.seconds, options.rate, longest_s=5, broker_every_s=60, kills=options.kills)
    line = _line(home, options)
    try:
        with LocalKafka(home / "kafka") as broker:
            return run(line, broker, plan)
    finally:
        line.close()


def _filled(home: Path, options: argparse.Namespace) -> Findings:
    line = _line(home, options)
    try:
        with LocalKafka(home / "kafka") as broker:
            return filled.run(line, broker, seed=options.seed, events=max(20_000, round(options.seconds * 25)))
    finally:
        line.close()


def _line(home: Path, options: argparse.Namespace) -> CommandLine:
    """Warm processes are killed ten times as often in the same time, and while they work instead of while they load."""
    return CommandLine(home) if options.cold else WarmLine(home, nursery())


def _print(title: str, findings: Findings) -> None:
    print(f"\n{title}")
    for name, value in findings.facts.items():
        text = str(value)
        print(f"  {name:<40} {text if len(text) < 160 else text[:157] + '...'}")
    for sentence in findings.wrong:
        print(f"  WRONG: {sentence}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
