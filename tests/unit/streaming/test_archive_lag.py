"""How far behind the archive is in seconds."""

import time
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from streaming import archive
from streaming.archive_sink import Sink
from streaming.settings import Settings
from tests.unit.streaming.test_archive_machine import ID, ROWS, Letters, Message


class Written(Message):
    """A record that came to Kafka so many seconds ago."""

    def __init__(self, offset: int, ago_s: float) -> None:
        super().__init__(offset, b'{"key":"k","time":1.0,"offset":%d}' % offset)
        self._written_s = time.time() - ago_s

    def timestamp(self) -> tuple[int, int]:
        return 1, round(self._written_s * 1000)


def lag(sink: Sink) -> float:
    sink.observe()
    found = REGISTRY.get_sample_value("headrace_archive_lag_seconds", {"topic": "rows"})
    assert found is not None
    return found


def test_the_lag_in_seconds_is_the_age_of_the_oldest_record_that_is_not_in_the_table(tmp_path, monkeypatch):
    """By its time in Kafka, not of its fetch; a commit that fails leaves it, one that is done ends it."""
    letters: Any = Letters()
    sink = Sink(Settings(store=tmp_path.as_uri()), ROWS, letters, lambda _: ID)
    sink.begin([0])
    sink.next = {0: 0}
    assert lag(sink) == 0
    old: list[Any] = [Written(0, 600), Written(1, 500)]
    sink.add(0, old)
    assert 599.9 <= lag(sink) < 700
    with monkeypatch.context() as away:
        away.setattr(archive, "write_deltalake", broken)
        assert not sink.flush()
    newer: list[Any] = [Written(2, 60)]
    sink.add(0, newer)
    assert 599.9 <= lag(sink) < 700
    assert sink.flush()
    assert 59.9 <= lag(sink) < 160
    assert sink.flush()
    assert lag(sink) == 0


def broken(*_arguments: object, **_options: object) -> None:
    raise OSError("the connection is lost")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """What has failed is tried again at once."""
    monkeypatch.setattr("streaming.patience._FIRST_S", 0.0)


def test_dead_letters_are_said_once_a_minute_however_many_there_are(tmp_path, monkeypatch):
    """A topic that is only archived has nobody else to say it."""
    letters: Any = Letters()
    sink = Sink(Settings(store=tmp_path.as_uri()), ROWS, letters, lambda _: ID)
    sink.begin([0])
    sink.next = {0: 0}
    with capture_logs() as lines:
        for offset in range(3):
            broken_record: Any = Message(offset, b"{")
            sink.add(0, [broken_record])
            assert sink.flush()
    said = [line for line in lines if line["event"].startswith("dead letters")]
    assert [(line["topic"], line["records"]) for line in said] == [("rows", 1)]
    assert "rows" in said[0]["reason"]
