"""The same learner without Kafka: records from memory or files, through the same merge."""

from collections.abc import Callable, Iterator
from itertools import islice

from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.merge import Dead, Merge, Place
from streaming.partition import partition_of
from streaming.settings import Champion
from streaming.usecase import UseCase
from trainer.learner import Learner
from trainer.summary import Learned

Lanes = dict[Place, Iterator[tuple[bytes | None, bytes]]]
Watch = Callable[[Learner], None]
_CHUNK = 1_000


def unwatched(_: Learner) -> None:
    """Nobody looks on."""


def learn_all(
    use_case: UseCase, lanes: Lanes, partitions: int, watch: Watch = unwatched, rule: Champion | None = None
) -> tuple[list[Learned], list[Dead]]:
    """Learn all records of `lanes` from nothing: by one learner or, of a sharded use case, by one for each partition.

    Gives each learner with its next offsets, and the dead letters.
    """
    learned: list[Learned] = []
    letters: list[Dead] = []
    for part in _split(lanes, partitions) if use_case.sharded else [lanes]:
        learner, offsets, dead = learn(use_case, part, watch, rule)
        learned.append((learner, offsets))
        letters += dead
    return learned, letters


def _split(lanes: Lanes, partitions: int) -> list[Lanes]:
    """The records of each partition, where Kafka's clients would put them; those without a key by turns."""
    found: list[dict[Place, list[tuple[bytes | None, bytes]]]]
    found = [{Place(place.topic, part): [] for place in lanes} for part in range(partitions)]
    for place, records in lanes.items():
        for at, (key, value) in enumerate(records):
            part = at % partitions if key is None else partition_of(key, partitions)
            found[part][Place(place.topic, part)].append((key, value))
    return [{place: iter(records) for place, records in part.items()} for part in found]


def learn(
    use_case: UseCase, lanes: Lanes, watch: Watch = unwatched, rule: Champion | None = None
) -> tuple[Learner, dict[Place, int], list[Dead]]:
    """Learn all records of `lanes` (key and value in the order of each partition) from nothing.

    `watch` is shown the learner after each moment.
    Gives the learner, the next offset of every lane, and the dead letters.
    """
    learner = Learner(use_case, rule=rule)
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
            watch(learner)
        learner.take_touched()  # nobody wants their views
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
