"""Where a learner begins to read: the offsets of its checkpoint, held against what Kafka has."""

from dataclasses import dataclass

from streaming.errors import HeadraceError
from streaming.merge import Place
from streaming.source import Source
from streaming.usecase import UseCase
from trainer.stored import Loaded


@dataclass(frozen=True)
class Wanted:
    """What is to be read."""

    use_case: UseCase
    source: Source
    topic_ids: dict[str, str]
    """Kafka's id of each topic, today."""


def first_offsets(wanted: Wanted, loaded: Loaded | None) -> dict[Place, int]:
    """The next offset of every partition; a stored one that Kafka no longer has is a sentence with the ways out."""
    use_case = wanted.use_case
    bounds = wanted.source.bounds(wanted.source.places())
    ways = _ways(use_case)
    if use_case.sharded:
        _check_partitions(wanted, loaded, ways)
    if loaded is None:
        return {place: low for place, (low, _) in bounds.items()}
    check_topics(use_case, loaded.topic_ids, wanted.topic_ids)
    for place, (low, high) in bounds.items():
        stored = loaded.offsets.get(place)
        if stored is not None and not low <= stored <= high:
            raise HeadraceError(
                f"{place.topic}[{place.partition}]: the checkpoint goes on at offset {stored}, but Kafka holds "
                f"{low} to {high}: {ways}"
            )
    return {place: loaded.offsets.get(place, low) for place, (low, _) in bounds.items()}


def check_topics(use_case: UseCase, before: dict[str, str], now: dict[str, str]) -> None:
    """Raise when a topic has another id: its offsets mean other records."""
    for topic, id in before.items():
        if topic in now and now[topic] != id:
            ways = _ways(use_case)
            raise HeadraceError(f"the topic {topic} was deleted and made again since the last checkpoint: {ways}")


def _ways(use_case: UseCase) -> str:
    return f"rebuild with `headrace replay {use_case.name}` or start from nothing with `--fresh`"


def _check_partitions(wanted: Wanted, loaded: Loaded | None, ways: str) -> None:
    """A key must be in the same shard of every topic, and stay there."""
    counts = wanted.source.partitions()
    if len(set(counts.values())) > 1:
        has = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise HeadraceError(
            f"{wanted.use_case.name} is sharded: its topics want equal numbers of partitions, but {has}"
        )
    now = next(iter(counts.values()))
    if loaded is not None and loaded.partitions not in (None, now):
        raise HeadraceError(
            f"{wanted.use_case.name} is sharded, and its topics have {now} partitions instead of {loaded.partitions} "
            f"since the checkpoint, so keys have moved: {ways}"
        )
