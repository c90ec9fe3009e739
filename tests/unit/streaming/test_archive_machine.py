"""The archive as a state machine: copies that crash, sleep, overlap and are answered wrongly archive each offset once.

The parts are real: sinks with their batches over one Delta table. Kafka and its dead letters are a few lines.
"""

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import deltalake
import polars as pl
from deltalake import DeltaTable
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, initialize, multiple, rule
from typing_extensions import TypedDict

from streaming import archive, archive_upkeep
from streaming.archive import app_id
from streaming.archive_sink import Sink
from streaming.errors import Fenced
from streaming.settings import Settings
from streaming.topics import Topic
from tests.examples import steps

PARTITIONS = range(2)
ID = "id1"
HOW = ["", "", "", "fails", "lands and fails", "only read"]
owned = st.sampled_from([[0, 1], [0, 1], [0], [1]])
counts = st.tuples(st.sampled_from([0, 0, 1, 3]), st.sampled_from([0, 0, 1, 3]))


class Row(TypedDict):
    """A record that says its offset."""

    key: str
    time: float
    offset: int


ROWS = Topic("rows", Row, key="key", time="time")


class Message:
    """What the sink asks of a record."""

    def __init__(self, offset: int, value: bytes) -> None:
        self._offset, self._value = offset, value

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def key(self) -> bytes:
        return b"k"

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_767_225_600_000 + self._offset


class Letters:
    """Delivers dead letters at once."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def produce(self, _topic: str, _value: bytes, key: str, **_: object) -> None:
        self.keys.add(key)

    def flush(self, _within_s: float) -> int:
        return 0


class Archiving(RuleBasedStateMachine):
    """Copies over one table; any of them may own any partitions, whatever the group would say."""

    copies: Bundle[Sink] = Bundle("copies")

    @initialize(target=copies)
    def begin(self) -> MultipleResults[Sink]:
        self.folder = tempfile.TemporaryDirectory()
        self.settings = Settings(store=Path(self.folder.name).as_uri())
        self.log: dict[int, list[Message]] = {partition: [] for partition in PARTITIONS}
        self.letters = Letters()
        for partition in PARTITIONS:
            self._append(partition, [True, False, True, True])
        return multiple(self._start([0, 1]), self._start([0, 1]))

    @rule(partition=st.sampled_from(PARTITIONS), good=st.lists(st.booleans(), min_size=1, max_size=5))
    def produce(self, partition, good) -> None:
        """Some records cannot be read, some offsets are left out."""
        self._append(partition, good)

    def _append(self, partition: int, good: list[bool]) -> None:
        log = self.log[partition]
        for is_good in good:
            offset = log[-1].offset() + 1 + len(log) % 3 if log else 0
            row = {"key": "k", "time": 1.0, "offset": offset}
            log.append(Message(offset, json.dumps(row).encode() if is_good else b"{"))

    @rule(target=copies, partitions=owned)
    def start(self, partitions) -> Sink:
        """A new process."""
        return self._start(partitions)

    @rule(copy=consumes(copies))
    def crash(self, copy) -> None:
        """Nothing is said to anybody."""

    @rule(turns=st.lists(st.tuples(copies, counts, st.sampled_from(HOW)), min_size=1, max_size=6))
    def archive(self, turns) -> None:
        """One after the other reads of what it owns, and commits that, or does so in a later turn."""
        for copy, counts, how in turns:
            self._read(copy, counts)
            if how != "only read":
                self._commit(copy, how)

    @rule(copy=copies, partitions=owned, what=st.sampled_from(["assigned", "lost", "compacts"]))
    def happen(self, copy, partitions, what) -> None:
        """Other partitions are its own now; or it looks whether anybody has archived since; or it does the upkeep."""
        url = f"{self.folder.name}/archive/rows"
        if what == "assigned":
            self._take_over(copy, partitions)
        elif what == "compacts" and DeltaTable.is_deltatable(url):
            archive_upkeep.compact(url, str(id(copy)))
        elif what == "lost":
            try:
                copy.verify()
            except Fenced:
                self._take_over(copy, copy.partitions)

    def _read(self, copy: Sink, counts: tuple[int, int]) -> None:
        for partition, count in zip(PARTITIONS, counts, strict=True):
            if partition in copy.next and not copy.blocked:
                rest: Any = [message for message in self.log[partition] if message.offset() >= copy.next[partition]]
                if rest[:count]:
                    copy.add(partition, rest[:count])

    def _commit(self, copy: Sink, how: str) -> None:
        """One that is fenced ends, as the process would: here it takes over again."""
        real = deltalake.write_deltalake

        def write(*arguments: Any, **options: Any) -> None:
            if how != "fails":
                real(*arguments, **options)
            if how:
                raise OSError("the connection is lost")

        with patch.object(archive, "write_deltalake", write):
            try:
                copy.flush()
            except Fenced:
                self._take_over(copy, copy.partitions)

    def teardown(self) -> None:
        """One more copy archives the rest; then each offset is a row or a dead letter, and no row is there twice."""
        if hasattr(self, "folder"):
            with self.folder:
                self._archive_the_rest()

    def _archive_the_rest(self) -> None:
        last = self._start([0, 1])
        self._read(last, (1_000, 1_000))
        last.flush()
        url = f"{self.folder.name}/archive/rows"
        found = pl.scan_delta(url).select("_partition", "_offset", "offset").collect()
        table = DeltaTable(url)
        for partition, log in self.log.items():
            rows = found.filter(pl.col("_partition") == partition)
            good = [message.offset() for message in log if message.value() != b"{"]
            assert sorted(rows.get_column("_offset").to_list()) == good
            assert (rows.get_column("_offset") == rows.get_column("offset")).all()
            assert table.transaction_version(app_id("rows", ID, partition)) == (log[-1].offset() if log else None)
        bad = {f"rows/{p}/{m.offset()}" for p, log in self.log.items() for m in log if m.value() == b"{"}
        assert self.letters.keys == bad

    def _start(self, partitions: list[int]) -> Sink:
        letters: Any = self.letters
        sink = Sink(self.settings, ROWS, letters, lambda _: ID)
        self._take_over(sink, partitions)
        return sink

    def _take_over(self, sink: Sink, partitions: list[int]) -> None:
        archived = sink.begin(partitions)
        sink.next = {partition: 0 if last is None else last + 1 for partition, last in archived.items()}


TestArchiving = Archiving.TestCase
TestArchiving.settings = steps(25, 15)
