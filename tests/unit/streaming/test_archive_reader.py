"""Reading an archive back: every partition in the order of its offsets, whatever upkeep does to the files."""

import random
from pathlib import Path
from typing import Any, NotRequired

import polars as pl
import pytest
from deltalake import DeltaTable
from typing_extensions import TypedDict

from streaming import archive_index, archive_reader
from streaming.archive import Table, table_url
from streaming.archive_reader import Reader
from streaming.archive_schema import Columns, Places
from streaming.archive_upkeep import compact, vacuum
from streaming.errors import HeadraceError, Unavailable
from streaming.topics import Topic

PARTITIONS = 3
DAY_MS = 86_400_000


class Row(TypedDict):
    """Says where it stands."""

    key: str
    at: int


TOPIC = Topic("rows", Row, key="key", time="at")
COLUMNS = Columns(TOPIC)


class Writer:
    """The archive of a topic whose records tell their own place."""

    def __init__(self, root: Path, topic_id: str = "id") -> None:
        self.store, self.topic_id = root.as_uri(), topic_id
        self.url = table_url(self.store, TOPIC.name)
        self.table = Table(self.store, TOPIC.name, COLUMNS.schema, keep_h=168)
        self.table.own(topic_id, list(range(PARTITIONS)))
        self.offsets: dict[int, list[int]] = {part: [] for part in range(PARTITIONS)}

    def commit(self, counts: list[int], *, skip: int = 0) -> None:
        """The next records of each partition in one commit, over two dates; `skip` offsets are dead letters before."""
        places = Places([], [], [])
        for part, count in enumerate(counts):
            first = (self.offsets[part][-1] + 1 if self.offsets[part] else 0) + skip
            self.offsets[part] += range(first, first + count)
            places.partitions.extend([part] * count)
            places.offsets.extend(range(first, first + count))
            places.times_ms.extend((offset % 2) * DAY_MS for offset in range(first, first + count))
        events: list[Any] = [{"key": f"k{p}", "at": o} for p, o in zip(places.partitions, places.offsets, strict=True)]
        last = {part: offsets[-1] for part, offsets in self.offsets.items() if offsets}
        frame = COLUMNS.frame(events, self.topic_id, places)
        try:
            self.table.append(frame, last)
        except Unavailable:  # a keeper has signed the table; the sink tries again, too
            self.table.append(frame, last)


@pytest.fixture
def writer(tmp_path, monkeypatch) -> Writer:
    """A small window and small blocks, so that a few rows are many."""
    monkeypatch.setattr(archive_reader, "_WINDOW", 50)
    for module in (archive_index, archive_reader):
        monkeypatch.setattr(module, "BLOCK_ROWS", 40)
    return Writer(tmp_path)


def reader_of(writer: Writer) -> Reader:
    return Reader(writer.store, TOPIC, writer.topic_id, range(PARTITIONS))


def offsets_of(reader: Reader, partition: int, at: int = 0) -> list[int]:
    """All offsets from one on, as they come; each row is the one that was written."""
    found: list[int] = []
    while True:
        frame, at = reader.take(partition, at)
        if frame is None:
            return found
        offsets = frame.get_column("_offset").to_list()
        assert COLUMNS.events(frame) == [{"key": f"k{partition}", "at": offset} for offset in offsets]
        found += offsets


def test_every_partition_comes_in_the_order_of_its_offsets_whatever_was_put_together(writer):
    """Commits of all sizes with gaps, some files compacted, then more commits; from any offset on."""
    chance = random.Random(3)
    for round_ in range(30):
        writer.commit([chance.choice([0, 1, 7, 90]) for _ in range(PARTITIONS)], skip=chance.choice([0, 0, 3, 200]))
        if round_ in (8, 20):
            compact(writer.url, "keeper")
    reader = reader_of(writer)
    for part, offsets in writer.offsets.items():
        assert offsets_of(reader, part) == offsets
        assert reader.rows(part) == len(offsets)
        assert reader.first(part) == offsets[0]
    reader.rewind()
    for part, offsets in writer.offsets.items():
        middle = chance.choice(offsets)
        assert offsets_of(reader, part, middle) == [offset for offset in offsets if offset >= middle]


def test_files_whose_offsets_lie_between_each_other_are_read_together(writer, monkeypatch):
    """As if compaction had put every second commit together: the order is that of the offsets all the same."""
    for _ in range(20):
        writer.commit([11, 5, 3])
    table = DeltaTable(writer.url)
    rows = pl.scan_delta(writer.url).collect()
    odd = pl.col("_offset") // 11 % 2 == 1
    for name, kept in (("even", rows.filter(~odd)), ("odd", rows.filter(odd))):
        kept.drop("_date").sample(fraction=1.0, shuffle=True, seed=1).write_parquet(f"{writer.url}/{name}.parquet")
    uris = [f"{writer.url}/{name}.parquet" for name in ("even", "odd")]
    monkeypatch.setattr(DeltaTable, "file_uris", lambda _: uris)
    assert set(table.file_uris()) == set(uris)
    reader = reader_of(writer)
    for part, offsets in writer.offsets.items():
        assert offsets_of(reader, part) == offsets


def test_what_is_archived_after_the_table_was_opened_is_left_to_kafka(writer):
    """The stream ends at the pinned offset, also when the files are looked for again."""
    writer.commit([90, 90, 90])
    reader = reader_of(writer)
    frame, at = reader.take(0, 0)
    assert frame is not None
    writer.commit([100, 100, 100])
    compact(writer.url, "keeper")
    vacuum(writer.url, keep_h=0)
    reader.rewind()  # what was read ahead came from the old files
    assert [*frame.get_column("_offset"), *offsets_of(reader, 0, at)] == list(range(90))
    assert reader.last == {0: 89, 1: 89, 2: 89}


def test_files_that_were_vacuumed_are_found_in_the_newest_version(writer):
    """Compaction and vacuum run in the middle of the reading."""
    for _ in range(10):
        writer.commit([30, 20, 10])
    reader = reader_of(writer)
    found: list[int] = []
    at = 0
    for turn in range(100):
        frame, at = reader.take(0, at)
        if frame is None:
            break
        found += frame.get_column("_offset").to_list()
        if turn in (1, 3):
            writer.commit([1, 1, 1])
            compact(writer.url, "keeper")
            assert vacuum(writer.url, keep_h=0)
    assert found == list(range(300))


def test_a_file_that_is_gone_and_still_belongs_to_the_table_is_worth_another_try(writer):
    """The store is away, or worse: nothing is passed over."""
    writer.commit([100, 0, 0])
    reader = reader_of(writer)
    files = [Path(uri) for uri in DeltaTable(writer.url).file_uris()]
    for file in files:
        file.rename(f"{file}.away")
    with pytest.raises(Unavailable, match="cannot be read"):
        reader.take(0, 0)
    for file in files:
        Path(f"{file}.away").rename(file)
    assert offsets_of(reader, 0) == list(range(100))


def test_a_row_that_is_there_twice_is_read_once(writer):
    """Nothing is learned twice, whatever has happened to the table."""
    writer.commit([100, 0, 0])
    twice = pl.scan_delta(writer.url).filter(pl.col("_offset").is_between(45, 55)).collect()
    twice.write_delta(writer.url, mode="append")
    assert offsets_of(reader_of(writer), 0) == list(range(100))


def test_only_the_present_topic_is_read_and_rows_of_deleted_ones_are_counted(writer, tmp_path):
    """A topic that was made again begins anew."""
    writer.commit([10, 20, 0])
    again = Writer(tmp_path, "id2")
    again.commit([5, 0, 0])
    reader = reader_of(again)
    assert offsets_of(reader, 0) == list(range(5))
    assert offsets_of(reader, 1) == []
    assert reader.last == {0: 4, 1: None, 2: None}
    assert reader.others == 30


class Place(TypedDict):
    """Where something is."""

    room: str
    floor: NotRequired[int]


class Longer(TypedDict):
    """A later schema of the same topic."""

    key: str
    at: int
    note: str | None
    where: Place | None


def test_files_that_are_older_than_a_column_are_read_all_the_same(writer):
    """What they lack is null."""
    writer.commit([20, 0, 0])
    later = Topic("rows", Longer, key="key", time="at")
    columns = Columns(later)
    table = Table(writer.store, "rows", columns.schema, keep_h=168)
    table.own(writer.topic_id, [0])
    event: Any = {"key": "k0", "at": 20, "note": "n", "where": {"room": "r"}}
    table.append(columns.frame([event], writer.topic_id, Places([0], [20], [0])), {0: 20})
    frame, at = Reader(writer.store, later, writer.topic_id, [0]).take(0, 0)
    assert frame is not None
    assert at > 20
    first, *_, last = columns.events(frame)
    assert first == {"key": "k0", "at": 0, "note": None, "where": None}
    assert last == event


def test_no_archive_is_a_sentence(tmp_path):
    """It names the command that makes one."""
    with pytest.raises(HeadraceError, match=r"there is no archive of rows at .*: `headrace archive` writes it"):
        Reader(tmp_path.as_uri(), TOPIC, "id", [0])


def test_blocks_are_kept_for_the_partitions_that_come_later_and_no_longer(writer):
    """Each is read once."""
    for _ in range(10):
        writer.commit([30, 20, 10])
    reader = reader_of(writer)
    assert offsets_of(reader, 0) == writer.offsets[0]
    assert len(reader._blocks) == 20  # what takes the room
    assert [offsets_of(reader, part) for part in (1, 2)] == [writer.offsets[part] for part in (1, 2)]
    assert not reader._blocks  # as above


def test_blocks_that_take_too_much_room_are_given_up_and_read_again(writer, monkeypatch):
    """For the partitions that come later."""
    monkeypatch.setattr(archive_reader, "_MOST_BYTES", 1_000)
    for _ in range(10):
        writer.commit([30, 20, 10])
    reader = reader_of(writer)
    assert offsets_of(reader, 0) == writer.offsets[0]
    assert len(reader._blocks) <= 10  # what takes the room
    assert [offsets_of(reader, part) for part in (1, 2)] == [writer.offsets[part] for part in (1, 2)]
