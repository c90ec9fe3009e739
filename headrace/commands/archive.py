"""`headrace archive`: the Delta sink."""

import json
import signal
import sys
import threading
from typing import Annotated

import typer

from streaming.settings import Settings, load_settings
from streaming.topics import Topic, topic_named


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
    from streaming import metrics
    from streaming.archiver import Archiver
    from streaming.logs import set_up_logs
    from streaming.monitor import Server

    settings = load_settings()
    set_up_logs(settings.logs, service="archive")
    picked = _picked(settings, topics)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    archiver = Archiver(settings, picked, stop, until_end=until_end, accept_gap=accept_gap)
    with Server(settings.monitor, metrics.ARCHIVE, lambda: archiver.pulse):
        summary = archiver.run()
    if until_end and not stop.is_set():
        typer.echo(json.dumps(summary))


def _picked(settings: Settings, names: list[str] | None) -> list[Topic]:
    known = _declared(settings)
    return [topic_named(name, known) for name in dict.fromkeys(names or known)]


def _declared(settings: Settings) -> dict[str, Topic]:
    """The topics of all use cases, asked of another process: use cases bring River, which the archive has no use for.

    A topic comes back as the name of its schema, whose module is all that is loaded here. Where that cannot be (a file
    that HEADRACE_USE_CASES names is no module that could be found by name, or holds a mistake) everything is loaded.
    """
    import pickle
    import subprocess

    safe = ["-P"] if sys.flags.safe_path else []
    told = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, *safe, "-c", f"from {__name__} import tell_topics; tell_topics()"],
        capture_output=True,
        check=False,
    )
    try:
        found: dict[str, Topic] = pickle.loads(told.stdout)  # noqa: S301  # from the line above
    except (ImportError, AttributeError, EOFError, pickle.UnpicklingError):
        return _load(settings)
    return found


def tell_topics() -> None:
    """Write the topics of all use cases to stdout, pickled; what their files print goes elsewhere."""
    import contextlib
    import pickle

    with contextlib.redirect_stdout(sys.stderr):
        topics = _load(load_settings())
    sys.stdout.buffer.write(pickle.dumps(topics))


def _load(settings: Settings) -> dict[str, Topic]:
    from usecases.registry import load_use_cases, topics_of

    return topics_of(load_use_cases(settings))
