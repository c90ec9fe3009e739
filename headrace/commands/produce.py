"""`headrace produce`: a simulator or a file, to Kafka or to files."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from streaming.errors import WrongUsage

if TYPE_CHECKING:
    from producers.sources import Source

T = TypeVar("T")
SEED = 42
_SIMULATOR_RATE = 200.0


def command(  # noqa: PLR0913  # for typer an option is a parameter
    source: Annotated[str | None, typer.Argument(help="A simulator: telecom, shop, rides, web, market, cards.")] = None,
    *,
    topic: Annotated[str | None, typer.Option(help="Replay --file to this topic.")] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV, NDJSON or Parquet file, sent in its order.")] = None,
    poll: Annotated[
        Path | None, typer.Option(help="Ask an HTTP JSON API again and again, by this TOML file (docs/forecast.md).")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Events a second, or max; left out: 200 for a simulator, max for a file.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many new events.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same events; 42 if left out.")] = None,
    customers: Annotated[int | None, typer.Option(help="How many customers live in the world.", min=1)] = None,
    drift_day: Annotated[int | None, typer.Option(help="From this day of the world on, habits change.", min=0)] = None,
    out: Annotated[Path | None, typer.Option(help="Write <topic>.ndjson here instead of sending.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send the events of a simulator, a file or an API to Kafka; a simulator and a poll go on where they ended."""
    if poll is not None:
        if source is not None:
            raise WrongUsage(f"name a simulator or --poll, not both: got {source} and {poll}")
        _refuse("does not go with --poll", topic=topic, file=file, rate=rate, out=out)
        _refuse("goes with a simulator", seed=seed, customers=customers, drift_day=drift_day)
        sent, unfit = _poll(poll, count)
    elif source is None:
        _refuse("goes with a simulator", count=count, seed=seed, customers=customers, drift_day=drift_day, out=out)
        if topic is None or file is None:
            raise WrongUsage("name a simulator (headrace produce telecom), or give both --topic and --file")
        sent, unfit = _replay(topic, file, _events_a_second(rate, None))
    else:
        _refuse("goes without a simulator", topic=topic, file=file)
        world, options = _simulator(source, seed=seed, customers=customers, drift_day=drift_day)
        if out is None:
            sent = _simulate(world, options, count, _events_a_second(rate, _SIMULATOR_RATE))
        else:
            _refuse("does not go with --out: files are written as fast as it goes", rate=rate)
            sent = _write(world, options, count, out)
        unfit = 0
    _say(f"{'sent' if out is None else 'wrote'} {_in_words(sent)}")
    if json_:
        typer.echo(json.dumps({"events": dict(sent), "unfit": unfit}))


def _simulate(world: "Source", options: dict[str, Any], count: int | None, rate: float | None) -> Counter[str]:
    """Send the events that are not on the simulator's topics yet."""
    from producers.ends import Ends, not_yet_sent, read_ends
    from producers.sending import Pace, Sender, Stop, patiently, send_all
    from streaming.kafka import ensure_topics
    from streaming.settings import load_settings

    kafka, stop = load_settings().kafka, Stop()
    stop.listen()

    def find_ends() -> Ends:
        ensure_topics(kafka, [topic.name for topic in world.topics])
        return read_ends(kafka, world.topics, mark=world.name)

    ends = patiently(find_ends, kafka, stop, _say)
    if ends is None:
        return Counter()
    sender = Sender(kafka, stop, _say, mark=world.name)
    records = islice(not_yet_sent(world.events(**options), ends, stop), count)
    send_all(_with_bar(records, world.name, count), sender, Pace(rate, stop))
    return sender.delivered


def _replay(topic_name: str, path: Path, rate: float | None) -> tuple[Counter[str], int]:
    """Send a file's records as they are, and tell how many do not fit the topic's schema."""
    from producers.files import Replay
    from producers.sending import Pace, Sender, Stop, patiently, send_all
    from streaming.kafka import ensure_topics
    from streaming.settings import load_settings
    from streaming.topics import topic_named
    from usecases.registry import load_use_cases, topics_of

    settings, stop = load_settings(), Stop()
    topic = topic_named(topic_name, topics_of(load_use_cases(settings)))
    replay = Replay(path, topic)
    stop.listen()
    patiently(lambda: ensure_topics(settings.kafka, [topic.name]), settings.kafka, stop, _say)
    sender = Sender(settings.kafka, stop, _say)
    records = ((topic.name, key, value) for key, value in replay)
    send_all(_with_bar(records, path.name, None), sender, Pace(rate, stop))
    if replay.unfit:
        _say(f"{replay.unfit:,} of them do not fit the schema of {topic.name}: trainers put those on {topic.dead}")
    return sender.delivered, replay.unfit


def _poll(path: Path, count: int | None) -> tuple[Counter[str], int]:
    """Send what an API has that is not on its topic yet, for ever or up to a count; tells how many rows do not fit."""
    from producers.cursors import Cursors, claimed, read_back, save
    from producers.mapping import load
    from producers.polling import Poller, Web
    from producers.sending import Sender, Stop, patiently
    from streaming.kafka import ensure_topics
    from streaming.settings import STATE_DIR, load_settings
    from usecases.registry import load_use_cases, topics_of

    settings, stop = load_settings(), Stop()
    poll = load(path, topics_of(load_use_cases(settings)))
    file = (STATE_DIR / "poll" / f"{poll.sheet.name}.json").absolute()
    stop.listen()

    def find() -> Cursors:
        ensure_topics(settings.kafka, [poll.topic.name])
        return read_back(settings.kafka, poll.topic, file)

    with claimed(file):
        cursors = patiently(find, settings.kafka, stop, _say)
        if cursors is None:
            return Counter(), 0
        save(cursors, file)
        sender = Sender(settings.kafka, stop, _say)
        poller = Poller(
            poll, cursors, Web(poll.url, poll.sheet.timeout_s), sender, stop, _say, lambda: save(cursors, file)
        )
        poller.run(count)
    return sender.delivered, poller.unfit


def _write(world: "Source", options: dict[str, Any], count: int | None, folder: Path) -> Counter[str]:
    """Write the simulator's first events to files."""
    from producers.files import write

    if count is None:
        raise WrongUsage("--out needs --count: the simulator goes on for thousands of years")
    return write(_with_bar(islice(world.events(**options), count), world.name, count), folder, world.topics)


def _simulator(name: str, *, seed: int | None, **options: int | None) -> tuple["Source", dict[str, Any]]:
    from producers.sources import source_named

    world = source_named(name)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in world.options:
            raise WrongUsage(f"{name} takes no --{option.replace('_', '-')}")
    return world, {"seed": SEED if seed is None else seed, **given}


def _refuse(why: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise WrongUsage(f"--{name.replace('_', '-')} {why}")


def _events_a_second(text: str | None, default: float | None) -> float | None:
    """The pace; None is as fast as it goes."""
    if text is None:
        return default
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise WrongUsage(f"--rate must be a number of events a second above 0, or max, got {text!r}")
    return rate


def _with_bar(items: Iterable[T], name: str, total: int | None) -> Iterator[T]:
    """The items, with a progress bar when a person watches."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, name, total=total, console=Console(stderr=True), transient=True)


def _in_words(counts: Counter[str]) -> str:
    by_topic = ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items()))
    return f"{counts.total():,} events" + (f": {by_topic}" if counts else "")


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
