"""`headrace train`: learn a use case from Kafka."""

import json
import signal
import threading
from typing import Annotated

import typer


def command(
    use_case: Annotated[str, typer.Argument(help="A use case; `headrace use-cases` lists them.")],
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topics and print the summary.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start from nothing, whatever was learned before.")] = False,
) -> None:
    """Learn from the use case's topics, and checkpoint; Ctrl-C or SIGTERM stops it cleanly."""
    from streaming import metrics
    from streaming.logs import set_up_logs
    from streaming.monitor import Server
    from streaming.settings import load_settings
    from trainer.service import Trainer
    from usecases.registry import load_use_cases, pick

    settings = load_settings()
    wanted = pick(load_use_cases(settings), use_case)
    set_up_logs(settings.logs, service="trainer", use_case=wanted.name)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    trainer: list[Trainer] = []
    with Server(settings.monitor, metrics.TRAINER, lambda: trainer[0].pulse if trainer else None):
        trainer.append(Trainer(settings, wanted, stop))
        result = trainer[0].run(until_end=until_end, fresh=fresh)
    if until_end and result is not None:
        typer.echo(json.dumps(result))
