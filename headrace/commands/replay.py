"""`headrace replay`: rebuild a learner from the archive."""

import json
import signal
import sys
import threading
from typing import Annotated, Self

import typer


def command(
    use_case: Annotated[str, typer.Argument(help="A use case; `headrace use-cases` lists them.")],
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topics and print the summary.")
    ] = False,
) -> None:
    """Learn anew from the archive, then go on from Kafka at the very next record, as `headrace train` does."""
    from streaming.logs import set_up_logs
    from streaming.settings import load_settings
    from trainer.replay import replay
    from usecases.registry import load_use_cases, pick

    settings = load_settings()
    wanted = pick(load_use_cases(settings), use_case)
    set_up_logs()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with Bar(wanted.name) as bar:
        result = replay(settings, wanted, stop, until_end=until_end, progress=bar.show)
    if until_end and result is not None:
        typer.echo(json.dumps(result))


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
