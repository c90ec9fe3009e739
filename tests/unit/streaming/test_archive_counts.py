"""What the archive shows of one topic: what waits, what was done, how far the table is."""

from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from streaming import archive
from streaming.archive_reporter import Reporter
from streaming.archive_sink import Sink
from streaming.settings import Settings
from tests.unit.streaming.test_archive_machine import ID, ROWS, Letters, Message


def row(offset: int) -> Message:
    return Message(offset, b'{"key":"k","time":1.0,"offset":%d}' % offset)


def shown(name: str) -> float:
    return REGISTRY.get_sample_value(f"headrace_archive_{name}", {"topic": "rows"}) or 0.0


def test_what_waits_is_shown_and_what_was_done_is_counted(tmp_path, monkeypatch):
    """Rows with their waiting time, commits with their seconds, rows and dead letters; a failed commit is a failure."""
    letters: Any = Letters()
    sink = Sink(Settings(store=tmp_path.as_uri()), ROWS, letters, lambda _: ID)
    sink.begin([0])
    sink.next = {0: 0}
    names = ("commits_total", "commit_seconds_count", "written_total", "dead_total", "failures_total")
    before = {name: shown(name) for name in names}
    now = [1000.0]
    monkeypatch.setattr("streaming.archive_sink.time.monotonic", lambda: now[0])
    bad: list[Any] = [row(0), row(1), Message(2, b"{")]
    sink.add(0, bad)
    now[0] += 7.0
    sink.observe()
    assert (shown("waiting_rows"), shown("waiting_seconds")) == (2, 7.0)
    with monkeypatch.context() as away:
        away.setattr(archive, "write_deltalake", broken)
        assert not sink.flush()
    sink.observe()
    assert (shown("waiting_rows"), shown("waiting_seconds")) == (2, 7.0)
    assert sink.flush()
    sink.observe()
    assert (shown("waiting_rows"), shown("waiting_seconds")) == (0, 0.0)
    assert {name: shown(name) - before[name] for name in names} == {
        "commits_total": 1,
        "commit_seconds_count": 2,
        "written_total": 2,
        "dead_total": 1,
        "failures_total": 1,
    }


class Ends:
    """Where the partitions of the topic end."""

    def bound(self, place: Any, **_: object) -> tuple[int, int]:
        return (0, 100) if place.partition == 0 else (40, 50)


class Statuses:
    """Takes records."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def produce(self, _topic: str, key: str, value: bytes) -> None:
        self.said.append({"key": key, **orjson.loads(value)})

    def poll(self, _timeout_s: float) -> None:
        """Nothing comes back."""


def test_the_lag_is_over_all_partitions_and_the_rows_are_the_tables(tmp_path):
    """Of a partition that was never archived, what Kafka still holds; the status says the same."""
    letters: Any = Letters()
    sink = Sink(Settings(store=tmp_path.as_uri()), ROWS, letters, lambda _: ID)
    sink.begin([0])
    sink.count, sink.next = 2, {0: 0}
    rows: list[Any] = [row(offset) for offset in range(3)]
    sink.add(0, rows)
    assert sink.flush()
    ends: Any = Ends()
    statuses = Statuses()
    producer: Any = statuses
    Reporter(producer, ends).report_if_due([sink])
    assert (shown("lag_records"), shown("rows")) == (97 + 10, 3)
    (said,) = statuses.said
    assert (said["key"], said["lag"], said["rows"], said["state"]) == ("archive/rows", 107, 3, "archiving")


def broken(*_arguments: object, **_options: object) -> None:
    raise OSError("the connection is lost")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """What has failed is tried again at once."""
    monkeypatch.setattr("streaming.patience._FIRST_S", 0.0)
