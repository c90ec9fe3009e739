"""`headrace replay`: rebuild a learner from the archive."""

import json
import signal
import sys
import threading
from typing import Annotated, Self

import typer

from streaming.errors import WrongUsage
from streaming.usecase import UseCase


def command(
    use_case: Annotated[str, typer.Argument(help="A use case; `headrace use-cases` lists them.")],
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topics and print the summary.")
    ] = False,
    candidate: Annotated[
        str | None,
        typer.Option(help="Train this new candidate alone, beside a trainer; it joins when the trainer begins again."),
    ] = None,
) -> None:
    """Learn anew from the archive, then go on from Kafka at the very next record, as `headrace train` does."""
    from streaming import metrics
    from streaming.logs import set_up_logs
    from streaming.monitor import Pulse, Server
    from streaming.settings import load_settings
    from trainer.candidate_replay import CandidateReplay
    from trainer.replay import replay
    from usecases.registry import load_use_cases, pick

    settings = load_settings()
    wanted = pick(load_use_cases(settings), use_case)
    if candidate is not None:
        _refuse(wanted, candidate, until_end=until_end)
    set_up_logs(settings.logs, service="trainer", use_case=wanted.name)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    pulses: list[Pulse] = []
    with (
        Bar(wanted.name) as bar,
        Server(settings.monitor, metrics.TRAINER, lambda: pulses[0] if pulses else None),
    ):
        if candidate is None:
            result = replay(settings, wanted, stop, until_end=until_end, progress=bar.show, begun=pulses.append)
        else:
            result = CandidateReplay(settings, wanted, candidate, stop).run(bar.show)
    if result is not None and (until_end or candidate is not None):
        typer.echo(json.dumps(result))


def _refuse(use_case: UseCase, candidate: str, *, until_end: bool) -> None:
    known = type(use_case).candidates
    if candidate not in known:
        raise WrongUsage(f"unknown candidate {candidate!r} of {use_case.name}; there are {', '.join(known)}")
    if until_end:
        raise WrongUsage("--until-end does not go with --candidate, which ends at the trainer's newest checkpoint")


class Bar:
    """How much of the archive was read, for a person who watches."""

    def __init__(self, name: str) -> None:
        """Nothing is drawn before `show`."""
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        self._task = self._progress.add_task(f"replaying {name}", total=None)

    def show(self, done: int, total: int) -> None:
        """So many of the archived offsets were given out."""
        self._progress.update(self._task, completed=done, total=total)
        if done >= total:
            self._progress.stop()
        elif not self._progress.finished:
            self._progress.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
