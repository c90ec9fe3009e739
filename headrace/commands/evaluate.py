"""`headrace evaluate`: the same learner in memory, without Kafka."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from streaming.errors import WrongUsage
from streaming.merge import Place
from streaming.topics import Topic


def command(
    use_case: Annotated[str, typer.Argument(help="A use case.")],
    file: Annotated[
        list[str] | None, typer.Option("--file", help="[TOPIC=]FILE, repeatable; without: the simulator.")
    ] = None,
    count: Annotated[int, typer.Option(help="Events of the simulator.", min=1)] = 4_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulator.")] = 42,
) -> None:
    """Learn from files or a simulator from nothing, and print the summary."""
    from streaming.logs import set_up_logs
    from streaming.settings import load_settings
    from trainer.offline import learn_all
    from trainer.summary import summary
    from usecases.registry import load_use_cases, pick

    settings = load_settings()
    set_up_logs(settings.logs, service="evaluate")
    wanted = pick(load_use_cases(settings), use_case)
    topics = {topic.name: topic for topic in wanted.topics}
    lanes = _from_files(topics, file) if file else _from_simulator(topics, wanted.name, count, seed)
    learned, dead = learn_all(wanted, lanes, settings.kafka.partitions, rule=settings.champion)
    for letter in dead[:10]:
        typer.echo(f"dead letter: {letter}", err=True)
    if len(dead) > 10:
        typer.echo(f"dead letters: {len(dead) - 10} more", err=True)
    typer.echo(json.dumps(summary(learned)))


def _from_files(topics: dict[str, Topic], files: list[str]) -> dict[Place, Iterator[tuple[bytes | None, bytes]]]:
    from producers.files import read

    lanes: dict[Place, Iterator[tuple[bytes | None, bytes]]] = {Place(name, 0): iter(()) for name in topics}
    for text in files:
        name, path = _split(text, topics)
        lanes[Place(name, 0)] = read(Path(path), topics[name])
    return lanes


def _split(text: str, topics: dict[str, Topic]) -> tuple[str, str]:
    """`TOPIC=FILE`, or a file named like its topic, or any file when there is one topic."""
    head, equals, tail = text.partition("=")
    if equals and head in topics:
        return head, tail
    for name in topics:
        if Path(text).name.startswith(f"{name}."):
            return name, text
    if len(topics) == 1:
        return next(iter(topics)), text
    raise WrongUsage(f"--file {text}: say which topic it is, as TOPIC=FILE with TOPIC one of {', '.join(topics)}")


def _from_simulator(
    topics: dict[str, Topic], use_case: str, count: int, seed: int
) -> dict[Place, Iterator[tuple[bytes | None, bytes]]]:
    from producers.sources import source_for
    from streaming.codec import Codec

    source = source_for(set(topics))
    if source is None:
        raise WrongUsage(f"no simulator feeds {use_case}: give its events with --file TOPIC=FILE")
    codecs = {name: Codec(topic) for name, topic in topics.items()}
    values: dict[Place, list[tuple[bytes | None, bytes]]] = {Place(name, 0): [] for name in topics}
    for topic, event in islice(source.events(seed=seed), count):
        if topic.name in codecs:
            codec = codecs[topic.name]
            values[Place(topic.name, 0)].append((codec.key(event).encode(), codec.encode(event)))
    return {place: iter(found) for place, found in values.items()}
