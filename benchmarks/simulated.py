"""The events of a use case's simulator, ready to be learned."""

import datetime as dt
from itertools import islice
from typing import Any

from producers.sources import Source, source_for
from streaming.codec import Codec, to_us
from streaming.errors import WrongUsage
from streaming.merge import Place
from streaming.usecase import Event, UseCase
from trainer.offline import Lanes

EVENTS = 20_000
_DAY_US = 86_400_000_000


def source_of(use_case: UseCase) -> Source:
    """The simulator that feeds it."""
    source = source_for({topic.name for topic in use_case.topics})
    if source is None:
        raise WrongUsage(f"no simulator feeds {use_case.name}")
    return source


def events_of(use_case: UseCase, count: int = EVENTS, **options: Any) -> list[tuple[str, Event]]:
    """Of the first `count` events of the simulator those of the use case's topics, with their topic's name."""
    wanted = {topic.name for topic in use_case.topics}
    found = islice(source_of(use_case).events(**options), count)
    return [(topic.name, event) for topic, event in found if topic.name in wanted]


def lanes_of(use_case: UseCase, events: list[tuple[str, Event]]) -> Lanes:
    """The events as records, a lane for each topic."""
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    values: dict[Place, list[tuple[bytes | None, bytes]]] = {Place(name, 0): [] for name in codecs}
    for name, event in events:
        values[Place(name, 0)].append((codecs[name].key(event).encode(), codecs[name].encode(event)))
    return {place: iter(records) for place, records in values.items()}


def day_of(use_case: UseCase, events: list[tuple[str, Event]], share: float) -> int:
    """The day, counted from the first event's, on which this share of the events is over."""
    times = {topic.name: topic.time for topic in use_case.topics}
    moments: list[dt.datetime | dt.date | float] = [event[times[name]] for name, event in events]
    return (to_us(moments[round(share * (len(moments) - 1))]) - to_us(moments[0])) // _DAY_US
