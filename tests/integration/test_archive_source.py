"""Archive and Kafka as one stream: every offset of every partition once, wherever it begins, rests or stops."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typing_extensions import TypedDict

from streaming import archive_index, archive_reader, archive_source
from streaming.archive import Table
from streaming.archive_schema import Columns, Places
from streaming.archive_source import ArchiveSource
from streaming.codec import Codec
from streaming.deadletters import ensure
from streaming.kafka import topic_ids
from streaming.merge import Merge, Place
from streaming.settings import Kafka, Settings
from streaming.topics import Topic
from tests.support import fill, make_topic, read_all, unique, wait_for

PARTITIONS = 3
ROWS = 6_000
SHARE = 0.7
"""Of each partition is archived, half of that is gone from Kafka."""


class Row(TypedDict):
    """A minimal event."""

    key: str
    at: int


class World:
    """A topic whose beginning is archived, whose middle is in both places, and whose end is in Kafka."""

    def __init__(self, kafka: Kafka, store: Path) -> None:
        self.settings = Settings(kafka=kafka, store=store.as_uri())
        self.topic = Topic(unique("rows"), Row, key="key", time="at")
        make_topic(kafka.bootstrap_servers, self.topic.name, partitions=PARTITIONS)
        ensure(kafka, [self.topic])
        rows = [(f"k{at % 97}", json.dumps({"key": f"k{at % 97}", "at": at}).encode()) for at in range(ROWS)]
        fill(kafka.bootstrap_servers, self.topic.name, rows)
        self.at: dict[Place, list[int]] = {Place(self.topic.name, part): [] for part in range(PARTITIONS)}
        for message in read_all(kafka.bootstrap_servers, self.topic.name):
            self.at[Place(self.topic.name, message.partition() or 0)].append(json.loads(message.value() or b"")["at"])
        self._archive(kafka)
        gone = [TopicPartition(*place, int(len(at) * SHARE / 2)) for place, at in self.at.items()]
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        for future in admin.delete_records(gone).values():
            future.result()

    def _archive(self, kafka: Kafka) -> None:
        """A hundred rows of each partition a commit."""
        columns, codec = Columns(self.topic), Codec(self.topic)
        table = Table(self.settings.store, self.topic.name, columns.schema, keep_h=168)
        id = topic_ids(kafka, [self.topic.name])[self.topic.name]
        table.own(id, list(range(PARTITIONS)))
        ends = {place: int(len(at) * SHARE) for place, at in self.at.items()}
        for first in range(0, max(ends.values()), 100):
            chosen = [(p.partition, o) for p, end in ends.items() for o in range(first, min(first + 100, end))]
            events = [
                codec.decode(json.dumps({"key": f"k{at % 97}", "at": at}).encode())
                for part, offset in chosen
                for at in [self.at[Place(self.topic.name, part)][offset]]
            ]
            places = Places([part for part, _ in chosen], [offset for _, offset in chosen], [0] * len(chosen))
            last = {part: max(o for p, o in chosen if p == part) for part in {part for part, _ in chosen}}
            table.append(columns.frame(events, id, places), last)

    def open(self) -> ArchiveSource:
        return ArchiveSource(self.settings, self.settings.kafka, [self.topic], group=unique("test"))

    def merge(self, offsets: dict[Place, int], clock: int | None = None) -> Merge:
        return Merge([self.topic], offsets, wait_s=0.05, read_ahead=500, clock=clock)


@pytest.fixture(scope="module")
def world(kafka, tmp_path_factory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:  # a few rows are many
        patch.setattr(archive_reader, "_WINDOW", 120)
        patch.setattr(archive_source, "_CHUNK", 50)
        for module in (archive_index, archive_reader):
            patch.setattr(module, "BLOCK_ROWS", 70)
        yield World(Kafka(bootstrap_servers=kafka), tmp_path_factory.mktemp("store"))


@pytest.fixture
def source(world) -> Iterator[ArchiveSource]:
    found = world.open()
    yield found
    found.close()


def taken(source: ArchiveSource, merge: Merge, most: int | None = None) -> list[int]:
    """What the merge gives out, in its order."""
    found: list[int] = []

    def fetched() -> bool:
        while (moment := merge.next(float("inf"))) is not None:
            found.extend(record.event["at"] for record in moment.records)
            if most is not None and len(found) >= most:
                return True
        source.poll(0.02)
        return merge.drained

    wait_for(fetched, what="the end")
    assert not merge.take_dead()
    return found


def test_every_record_comes_once_and_in_the_order_of_event_time(world, source):
    """From the first archived offset, through the handover, to the end of Kafka."""
    bounds = source.bounds(source.places())
    assert bounds == {place: (0, len(at)) for place, at in world.at.items()}
    merge = world.merge({place: low for place, (low, _) in bounds.items()})
    source.start(merge, {place: high for place, (_, high) in bounds.items()})
    assert source.lag() > ROWS * SHARE / 2
    assert taken(source, merge) == list(range(ROWS))
    assert merge.offsets == {place: len(at) for place, at in world.at.items()}


@pytest.mark.parametrize("seed", range(3))
def test_begun_again_anywhere_it_goes_on_at_the_very_next_offset(world, source, seed):
    """As after a pause, a seat that came back, or a restart; what was read ahead is read again."""
    chance = random.Random(seed)
    merge, found = world.merge(dict.fromkeys(world.at, 0)), list[int]()
    ends = {place: len(at) for place, at in world.at.items()}
    while True:
        source.start(merge, ends)
        found += taken(source, merge, chance.randrange(1, 2_000))
        if merge.drained:
            break
        source.pause()
        before = {place: merge.buffered(place) for place in world.at}
        for _ in range(5):
            source.poll(0.01)
        assert {place: merge.buffered(place) for place in world.at} == before
        merge = world.merge(merge.offsets, merge.clock)
    assert found == list(range(ROWS))


@pytest.mark.parametrize("share", [0.2, 0.6, SHARE, 0.9])
def test_it_stops_at_the_offsets_that_it_was_given_in_the_archive_or_in_kafka(world, source, share):
    """And goes on from there to later ones."""
    stop = {place: int(len(at) * share) for place, at in world.at.items()}
    merge = world.merge(dict.fromkeys(world.at, 0))
    source.start(merge, stop)
    found = taken(source, merge)
    assert merge.offsets == stop
    assert found == sorted(one for place, at in world.at.items() for one in at[: stop[place]])
    merge = world.merge(merge.offsets, merge.clock)
    source.start(merge, {place: len(at) for place, at in world.at.items()})
    found += taken(source, merge)
    assert sorted(found) == list(range(ROWS))


def test_a_store_that_is_away_is_waited_for(world, source):
    """Nothing is passed over."""
    merge = world.merge(dict.fromkeys(world.at, 0))
    source.start(merge, {place: len(at) for place, at in world.at.items()})
    found = taken(source, merge, 50)
    merge = world.merge(merge.offsets, merge.clock)
    source.start(merge, {place: len(at) for place, at in world.at.items()})
    folder = Path(world.settings.store.removeprefix("file://")) / "archive"
    folder.rename(folder.with_name("away"))
    for _ in range(20):
        source.poll(0.02)
    assert merge.next(float("inf")) is None
    folder.with_name("away").rename(folder)
    found += taken(source, merge)
    assert found == list(range(ROWS))


def test_progress_is_told_by_offsets_of_the_archive(world):
    """From the first archived offset to the handover."""
    heard: list[tuple[int, int]] = []
    source = ArchiveSource(
        world.settings,
        world.settings.kafka,
        [world.topic],
        group=unique("test"),
        progress=lambda done, total: heard.append((done, total)),
    )
    try:
        merge = world.merge(dict.fromkeys(world.at, 0))
        source.start(merge, {place: len(at) for place, at in world.at.items()})
        taken(source, merge)
    finally:
        source.close()
    total = sum(int(len(at) * SHARE) for at in world.at.values())
    assert {whole for _, whole in heard} == {total}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert heard[0][0] < total / 2
    assert heard[-1] == (total, total)
