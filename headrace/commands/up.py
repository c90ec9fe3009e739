"""`headrace up`: the whole system on this machine, until Ctrl-C."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streaming.errors import HeadraceError, WrongUsage
from streaming.settings import load_settings

if TYPE_CHECKING:
    from headrace.local.parts import Part, Stack
    from headrace.local.views import View
    from headrace.status import HeardArchive

USE_CASES = ["plan", "churn"]
ANSWER_S = 120.0
_TICK_S = 1.0
_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def command(
    use_cases: Annotated[
        list[str] | None, typer.Argument(help="Use cases to train; plan and churn by default.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Start only these: s3, kafka, valkey, mlflow, trainers, api, producers, archive, prometheus."
        ),
    ] = None,
    rate: Annotated[str, typer.Option(help="Simulated events a second, or max.")] = "200",
    s3: Annotated[
        bool, typer.Option("--s3", help="Keep checkpoints, models, archive and artifacts on a local S3 server.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one line when all parts answer.")
    ] = False,
) -> None:
    """Run the whole system on this machine; Ctrl-C stops everything, the state stays in .headrace/."""
    from headrace.local import home, parts, views

    chosen = parts.chosen(only, s3=s3)
    _check_rate(rate)
    view = views.ForPrograms() if as_json else views.AsTable() if sys.stdout.isatty() else views.AsLines()
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        with home.claimed() as folder:
            _run(chosen, _stack(folder, chosen, use_cases or USE_CASES, rate), view)
    except KeyboardInterrupt:
        return


def _stack(folder: Path, chosen: Sequence["Part"], use_cases: Sequence[str], rate: str) -> "Stack":
    """Settle what is to be run. The stale `local.env` is gone by now: an address that is set is the user's."""
    from headrace.local.parts import Stack
    from headrace.local.processes import Supervisor

    settings = load_settings()
    names = {part.name for part in chosen}
    picked = _pick(use_cases) if names & {"producers", "trainers", "archive"} else []
    given = "bootstrap_servers" in settings.kafka.model_fields_set and settings.kafka.bootstrap_servers != ""
    return Stack(
        home=folder,
        settings=settings,
        kafka=settings.kafka,
        kafka_given=given,
        use_cases=[use_case.name for use_case in picked] if "trainers" in names else [],
        topics=list(dict.fromkeys(topic for use_case in picked for topic in use_case.topics))
        if "archive" in names
        else [],
        simulators=list(dict.fromkeys(one.simulator for one in picked if one.simulator)),
        rate=rate,
        supervisor=Supervisor(),
    )


def _run(chosen: Sequence["Part"], stack: "Stack", view: "View") -> None:
    """Start, watch, and stop everything whatever happens."""
    from headrace.local import home, parts

    stack.say = view.say
    try:
        with view:
            parts.start(chosen, stack)
            _watch(chosen, stack, view)
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        home.retract(stack.home)
        view.say("Stopping everything")
        stack.supervisor.stop()


def _watch(chosen: Sequence["Part"], stack: "Stack", view: "View") -> None:
    """Once a second: start again what died, read what the trainers say, show it."""
    from headrace.board import Board
    from headrace.local import home
    from headrace.status import StatusReader

    reader = StatusReader(stack.kafka) if stack.use_cases or stack.topics else None
    archived: list[HeardArchive] = []
    deadline, answered = time.monotonic() + ANSWER_S, False
    while True:
        began = time.monotonic()
        for sentence in stack.supervisor.check():
            view.say(sentence)
        if reader:
            newest = reader.read(_TICK_S)
            stack.heard = [one for one in newest.heard() if one.status.use_case in stack.use_cases]
            archived = [one for one in newest.archives() if one.archived.topic in stack.topics]
        if not answered and all(part.answers(stack) for part in chosen):
            answered = True
            home.publish(stack.environment, stack.home)
            view.answered(stack.addresses)
        elif not answered and began > deadline:
            raise HeadraceError(f"not all parts answer after {ANSWER_S:.0f} s: their logs are in {stack.home / 'logs'}")
        view.show(
            Board(
                now=time.time(),
                since=stack.began,
                heard=stack.heard,
                expected=stack.use_cases,
                archived=archived,
                addresses=stack.addresses,
                processes=stack.supervisor.states(),
            )
        )
        time.sleep(max(0.0, began + _TICK_S - time.monotonic()))


@dataclass(frozen=True)
class Known:
    """What is started for a use case."""

    name: str
    topics: tuple[str, ...]
    simulator: str | None


def _pick(names: Sequence[str]) -> list[Known]:
    """The use cases of these names, each once; an unknown one is a sentence that lists those there are.

    A process of its own loads them, so that the 160 MB of River go with it.
    """
    asked = subprocess.run(  # our own command line
        [sys.executable, "-P", "-m", "headrace", "use-cases", "--json"], stdout=subprocess.PIPE, check=False
    )
    if asked.returncode:  # it has said why
        raise SystemExit(asked.returncode)
    known = {row["name"]: row for row in json.loads(asked.stdout)}
    picked = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise WrongUsage(f"unknown use case {name!r}; there are {', '.join(sorted(known))}")
        picked.append(Known(name, tuple(known[name]["topics"]), known[name]["simulator"]))
    return picked


def _check_rate(rate: str) -> None:
    try:
        wrong = rate != "max" and float(rate) <= 0
    except ValueError:
        wrong = True
    if wrong:
        raise WrongUsage(f"--rate must be a positive number or max, got {rate!r}")
