"""The same learner without Kafka: records from memory or files, through the same merge."""

from collections.abc import Iterator
from itertools import islice

from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.merge import Dead, Merge, Place
from streaming.usecase import UseCase
from trainer.learner import Learner

Lanes = dict[Place, Iterator[tuple[bytes | None, bytes]]]
_CHUNK = 1_000


def learn(use_case: UseCase, lanes: Lanes) -> tuple[Learner, dict[Place, int], list[Dead]]:
    """Learn all records of `lanes` (key and value in the order of each partition) from nothing.

    Gives the learner, the next offset of every lane, and the dead letters.
    """
    learner = Learner(use_case)
    merge = Merge(use_case.topics, dict.fromkeys(lanes, 0), wait_s=0)
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    ends = dict.fromkeys(lanes, 0)
    open_lanes = dict(lanes)
    dead: list[Dead] = []
    while open_lanes or not merge.drained:
        for place in list(open_lanes):
            if merge.full(place):
                continue
            chunk = list(islice(open_lanes[place], _CHUNK))
            for key, value in chunk:
                _add(merge, codecs[place.topic], place, ends[place], key, value)
                ends[place] += 1
            if len(chunk) < _CHUNK:
                del open_lanes[place]
                merge.close(place)
        while (moment := merge.next(0.0)) is not None:
            dead += learner.process(moment)
        found = merge.take_dead()
        learner.state.counts.dead += len(found)
        dead += found
    return learner, merge.offsets, dead


def _add(merge: Merge, codec: Codec, place: Place, offset: int, key: bytes | None, value: bytes) -> None:
    try:
        event = codec.decode(value)
        merge.add(place, offset, key, codec.time_us(event), event, value, 0.0)
    except BadRecord as bad:
        merge.add_bad(Dead(place, offset, key, value, str(bad)))
