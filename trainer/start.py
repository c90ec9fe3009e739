"""Where a trainer begins to read: the offsets of its checkpoint, held against what Kafka has."""

from streaming.errors import HeadraceError
from streaming.kafka import Source
from streaming.merge import Place
from trainer.stored import Loaded

Bounds = dict[Place, tuple[int, int]]


def first_offsets(use_case: str, source: Source, loaded: Loaded | None, topic_ids: dict[str, str]) -> dict[Place, int]:
    """The next offset of every partition; a stored one that Kafka no longer has is a sentence with the ways out."""
    bounds = source.bounds(source.places())
    if loaded is None:
        return {place: low for place, (low, _) in bounds.items()}
    ways = f"rebuild with `headrace replay {use_case}` or start from nothing with `--fresh`"
    for topic, id in loaded.topic_ids.items():
        if topic in topic_ids and topic_ids[topic] != id:
            raise HeadraceError(f"the topic {topic} was deleted and made again since the checkpoint: {ways}")
    for place, (low, high) in bounds.items():
        stored = loaded.offsets.get(place)
        if stored is not None and not low <= stored <= high:
            raise HeadraceError(
                f"{place.topic}[{place.partition}]: the checkpoint goes on at offset {stored}, but Kafka holds "
                f"{low} to {high}: {ways}"
            )
    return {place: loaded.offsets.get(place, low) for place, (low, _) in bounds.items()}
