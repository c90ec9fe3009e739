"""The archive's table: every offset once, whatever two writers do to each other."""

import contextlib
from pathlib import Path

import deltalake
import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from prometheus_client import REGISTRY

from streaming import archive, archive_upkeep
from streaming.archive import Table, app_id
from streaming.errors import Fenced, HeadraceError, Unavailable
from streaming.settings import Settings
from tests.support import wait_for

SCHEMA = pl.Schema({"_partition": pl.Int32(), "_offset": pl.Int64(), "_date": pl.Date()})
TOPIC, ID = "t", "id1"


class Writer:
    """A copy of the archive over a log in which every offset has one row."""

    def __init__(self, root: Path, partitions: int = 2) -> None:
        self.table = Table(f"file://{root}", TOPIC, SCHEMA, keep_h=168)
        self.take_over(list(range(partitions)))

    def take_over(self, partitions: list[int]) -> None:
        found = self.table.own(ID, partitions)
        self.next = {part: 0 if last is None else last + 1 for part, last in found.items()}

    def write(self, **upto: int) -> None:
        """`write(p0=10)`: everything of partition 0 up to offset 10."""
        last = {int(name[1:]): offset for name, offset in upto.items()}
        self.table.append(rows({part: range(self.next[part], end + 1) for part, end in last.items()}), last)
        self.next |= {part: end + 1 for part, end in last.items()}


def rows(offsets: dict[int, range]) -> pl.DataFrame:
    pairs = [(part, offset) for part, span in offsets.items() for offset in span]
    return pl.DataFrame(
        {"_partition": [p for p, _ in pairs], "_offset": [o for _, o in pairs], "_date": [None] * len(pairs)},
        schema=SCHEMA,
    )


def held(root: Path) -> dict[int, list[int]]:
    """The offsets in the table, by partition."""
    found = pl.scan_delta(f"{root}/archive/{TOPIC}").select("_partition", "_offset").collect().sort("_offset")
    return {part[0]: group.get_column("_offset").to_list() for part, group in found.group_by("_partition")}


def txn(root: Path, partition: int) -> int | None:
    return DeltaTable(f"{root}/archive/{TOPIC}").transaction_version(app_id(TOPIC, ID, partition))


def test_a_stalled_writer_is_fenced_at_its_first_commit_by_any_of_its_partitions(tmp_path):
    """A (p0 = p1 = 10) stalls, B writes p1 to 20: A may not even write p0, and nothing is doubled."""
    a = Writer(tmp_path)
    a.write(p0=10, p1=10)
    b = Writer(tmp_path)
    b.write(p1=20)
    with pytest.raises(Fenced, match=r"t\[1\] is archived to offset 20, this copy's last was 10"):
        retry(lambda: a.write(p0=12))
    with pytest.raises(Fenced):
        retry(lambda: a.write(p0=12, p1=15))
    assert held(tmp_path) == {0: list(range(11)), 1: list(range(21))}


def test_a_foreign_commit_that_conflicts_with_nothing_is_still_noticed_before_the_next_one(tmp_path):
    """A partition that A has no txn of yet is in no commit of A's: B's rows there are found by the equality check."""
    a, b = Writer(tmp_path), Writer(tmp_path)
    b.write(p1=20)
    a.write(p0=5)
    with pytest.raises(Fenced, match=r"t\[1\] is archived to offset 20, this copy's last was None"):
        a.write(p0=6, p1=15)
    assert held(tmp_path) == {0: list(range(6)), 1: list(range(21))}
    assert txn(tmp_path, 1) == 20


def test_two_that_own_different_partitions_write_side_by_side(tmp_path):
    """A table is shared; nobody waits."""
    a, b = Writer(tmp_path), Writer(tmp_path)
    a.take_over([0])
    b.take_over([1])
    for end in (3, 9, 12):
        a.write(p0=end)
        b.write(p1=end)
    assert held(tmp_path) == {0: list(range(13)), 1: list(range(13))}


def test_the_first_commit_of_a_partition_is_fenced_too(tmp_path):
    """Both found an empty table; one of them was first."""
    a, b = Writer(tmp_path), Writer(tmp_path)
    b.write(p0=4)
    with pytest.raises(Fenced):
        retry(lambda: a.write(p0=4, p1=1))
    assert held(tmp_path) == {0: list(range(5))}


def test_a_commit_whose_answer_was_lost_is_not_repeated(tmp_path, monkeypatch):
    """It landed, the writer was told that it failed: the next try finds it in the table."""
    a = Writer(tmp_path)
    a.write(p0=3)
    real = deltalake.write_deltalake

    def lands_and_fails(*args, **kwargs):
        real(*args, **kwargs)
        raise OSError("connection reset")

    monkeypatch.setattr(archive, "write_deltalake", lands_and_fails)
    with pytest.raises(Unavailable, match="connection reset"):
        a.write(p0=8)
    monkeypatch.setattr(archive, "write_deltalake", real)
    a.write(p0=8)
    a.write(p0=9)
    assert held(tmp_path) == {0: list(range(10))}
    assert a.table.rows == 10


def test_a_commit_that_failed_is_repeated(tmp_path, monkeypatch):
    """Nothing landed: the same rows go in at the next try."""
    a = Writer(tmp_path)
    monkeypatch.setattr(archive, "write_deltalake", _full_disk)
    with pytest.raises(Unavailable, match="No space left on device"):
        a.write(p0=8)
    monkeypatch.undo()
    a.write(p0=8)
    assert held(tmp_path) == {0: list(range(9))}


def test_a_topic_that_was_made_again_starts_at_its_beginning(tmp_path):
    """Its offsets are its own."""
    a = Writer(tmp_path)
    a.write(p0=8)
    assert a.table.own("id2", [0]) == {0: None}
    a.table.append(rows({0: range(2)}), {0: 1})
    assert held(tmp_path) == {0: [0, 0, 1, 1, *range(2, 9)]}
    assert txn(tmp_path, 0) == 8


def test_an_offset_moves_on_without_rows(tmp_path):
    """A partition of dead letters alone is not read again."""
    a = Writer(tmp_path)
    a.table.append(rows({}), {0: 7})
    assert txn(tmp_path, 0) == 7
    assert Writer(tmp_path).next[0] == 8


def test_upkeep_loses_neither_rows_nor_offsets(tmp_path, monkeypatch):
    """Compaction, log checkpoint, vacuum and a shortened log leave what there is, and disturb no writer."""
    monkeypatch.setattr(archive, "_WORN", 1_000)
    a = Writer(tmp_path)
    for end in range(30):
        a.write(p0=end, p1=2 * end)
    url = f"{tmp_path}/archive/{TOPIC}"
    assert archive_upkeep.compact(url, "keeper") == 29
    assert archive_upkeep.vacuum(url, keep_h=0) >= 30
    retry(lambda: a.write(p0=40))  # the keeper has signed the table
    table = DeltaTable(url)
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 hours"})
    table.create_checkpoint()
    table.cleanup_metadata()
    retry(lambda: a.write(p0=41, p1=80))  # the log that the held handle reads is gone: it is opened again
    assert len(list((Path(url) / "_delta_log").glob("*.json"))) < 30
    assert held(tmp_path) == {0: list(range(42)), 1: list(range(81))}
    assert (txn(tmp_path, 0), txn(tmp_path, 1)) == (41, 80)
    assert Writer(tmp_path).next == {0: 42, 1: 81}


def test_the_files_of_a_table_are_shown_long_before_the_first_compaction(tmp_path, monkeypatch):
    """Of one that is made while the keeper looks, too; then the next compaction counts again."""

    def shown(topic: str) -> float | None:
        return REGISTRY.get_sample_value("headrace_archive_files", {"topic": topic})

    monkeypatch.setattr(archive_upkeep, "_LOOK_S", 0.01)
    urls: list[str] = []
    keeper = archive_upkeep.Upkeep(Settings(archive_compact_every_s=3600), lambda: urls)
    try:
        early, late = (Table(f"file://{tmp_path}", topic, SCHEMA, keep_h=168) for topic in ("early", "late"))
        early.own(ID, [0])
        for end in range(3):
            early.append(rows({0: range(end, end + 1)}), {0: end})
        urls += [early.url, late.url]
        assert wait_for(lambda: shown("early"), what="the early table's files") == 3
        assert shown("late") is None
        late.own(ID, [0])
        late.append(rows({0: range(1)}), {0: 0})
        wait_for(lambda: shown("late") is not None, what="the late table's files")
        assert shown("late") in (0, 1)  # 0: it was seen before its first rows
    finally:
        keeper.stop()


def test_compactions_are_counted_with_the_files_that_they_leave(tmp_path, monkeypatch):
    """And what fails is counted as that."""

    def shown(name: str) -> float:
        return REGISTRY.get_sample_value(f"headrace_archive_{name}", {"topic": TOPIC}) or 0.0

    a = Writer(tmp_path)
    for end in range(6):
        a.write(p0=end)
    runs, failures = shown("compactions_total"), shown("upkeep_failures_total")
    keeper = archive_upkeep.Upkeep(Settings(archive_compact_every_s=0.05), lambda: [a.table.url])
    try:
        wait_for(lambda: shown("compactions_total") > runs, what="a compaction")
        assert shown("files") == 1
        monkeypatch.setattr(archive_upkeep, "compact", _full_disk)
        wait_for(lambda: shown("upkeep_failures_total") > failures, what="a failure")
    finally:
        keeper.stop()


def test_of_two_keepers_that_compact_the_same_files_at_one_time_one_is_refused(tmp_path, monkeypatch):
    """The second compacts between the first one's look and its commit; afterwards both may again, in turn."""
    a = Writer(tmp_path)
    for end in range(6):
        a.write(p0=end)
    url = f"{tmp_path}/archive/{TOPIC}"
    meanwhile = iter([lambda: archive_upkeep.compact(url, "second")])
    fewer: list[int] = []

    def interrupt(_step: str):
        fewer.extend(other() for other in meanwhile)
        return contextlib.nullcontext()

    monkeypatch.setattr(archive_upkeep, "failpoint", interrupt)
    with pytest.raises(CommitFailedError):
        archive_upkeep.compact(url, "first")
    assert fewer == [5]
    assert held(tmp_path) == {0: list(range(6))}
    for keeper in ("first", "second"):
        retry(lambda: a.write(p0=a.next[0]))
        assert archive_upkeep.compact(url, keeper) == 1
    assert held(tmp_path) == {0: list(range(8))}


def test_a_worn_handle_is_changed_and_checked_again(tmp_path, monkeypatch):
    """The new handle sees what others have committed; the check follows."""
    monkeypatch.setattr(archive, "_WORN", 3)
    a = Writer(tmp_path)
    for end in range(7):
        a.write(p0=end)
    Writer(tmp_path).write(p0=20)
    with pytest.raises(Fenced):
        retry(lambda: a.write(p0=8))
    assert held(tmp_path) == {0: list(range(21))}


def test_a_new_field_is_added_to_the_table_and_a_dropped_one_stays_empty(tmp_path):
    """Tables outlive schemas."""
    Writer(tmp_path).write(p0=1)
    wider = Table(f"file://{tmp_path}", TOPIC, pl.Schema({**SCHEMA, "more": pl.Float64()}), keep_h=168)
    wider.own(ID, [0])
    wider.append(rows({0: range(2, 3)}).with_columns(more=pl.lit(1.5)), {0: 2})
    Writer(tmp_path).write(p0=3)
    found = pl.scan_delta(wider.url).collect().sort("_offset")
    assert found.get_column("more").to_list() == [None, None, 1.5, None]


def test_a_field_of_another_type_is_refused_with_the_way_out(tmp_path):
    """Before anything is written."""
    Writer(tmp_path).write(p0=1)
    other = Table(f"file://{tmp_path}", TOPIC, pl.Schema({**SCHEMA, "_offset": pl.String()}), keep_h=168)
    with pytest.raises(HeadraceError, match=r"keeps _offset as .*long.*string.* give the field another name"):
        other.own(ID, [0])


def retry(write) -> None:
    """As the sink does: a refused commit is tried again with the same rows."""
    try:
        write()
    except Unavailable:
        write()


def _full_disk(*_args, **_kwargs):
    raise OSError("No space left on device")
