"""`headrace archive`: the Delta sink."""

import json
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Annotated

import typer

from streaming.errors import WrongUsage
from streaming.settings import Settings, load_settings
from streaming.topics import Topic


def command(
    topics: Annotated[
        list[str] | None, typer.Argument(help="Topics to archive; those of all use cases by default.")
    ] = None,
    *,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topics and print the summary.")
    ] = False,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Go on where Kafka no longer holds the next record.")
    ] = False,
) -> None:
    """Write every event exactly once into Delta tables; Ctrl-C or SIGTERM commits what was read and stops."""
    from streaming.archiver import Archiver
    from streaming.logs import set_up_logs

    set_up_logs()
    settings = load_settings()
    picked = _picked(settings, topics)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    summary = Archiver(settings, picked, stop, until_end=until_end, accept_gap=accept_gap).run()
    if until_end and not stop.is_set():
        typer.echo(json.dumps(summary))


def _picked(settings: Settings, names: list[str] | None) -> list[Topic]:
    known = _declared(settings)
    for name in names or ():
        if name not in known:
            raise WrongUsage(f"unknown topic {name!r}; there are {', '.join(sorted(known))}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _declared(settings: Settings) -> dict[str, Topic]:
    """The topics of all use cases, asked of another process: use cases bring River, which the archive has no use for.

    A topic comes back as the name of its schema, whose module is all that is loaded here. A file that
    HEADRACE_USE_CASES names is no module that could be found by name: then everything is loaded.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as elsewhere:
        pickled = elsewhere.submit(_load_pickled, settings).result()
    import pickle

    try:
        return {name: pickle.loads(topic) for name, topic in pickled.items()}  # noqa: S301  # we have made it just now
    except ModuleNotFoundError:
        return _load(settings)


def _load(settings: Settings) -> dict[str, Topic]:
    from usecases.registry import load_use_cases, topics_of

    return topics_of(load_use_cases(settings))


def _load_pickled(settings: Settings) -> dict[str, bytes]:
    import pickle

    return {name: pickle.dumps(topic) for name, topic in _load(settings).items()}
