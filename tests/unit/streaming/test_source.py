"""The source's stop: nothing after it is read, and nothing after it counts as read."""

from typing import Any

import pytest
from confluent_kafka import KafkaError
from typing_extensions import TypedDict

from streaming.merge import Merge, Place
from streaming.settings import Kafka
from streaming.source import Source
from streaming.topics import Topic


class Row(TypedDict):
    """A minimal event."""

    key: str
    at: int


ROWS = Topic("rows", Row, key="key", time="at")
PLACE = Place("rows", 0)


class Message:
    """What the client hands over; `value` None: the end of the partition."""

    def __init__(self, offset: int, value: bytes | None = None) -> None:
        self._offset, self._value = offset, value

    def error(self) -> KafkaError | None:
        return None if self._value else KafkaError(KafkaError._PARTITION_EOF)  # the client's public name for it

    def __getattr__(self, name: str) -> Any:
        found = {"topic": "rows", "partition": 0, "offset": self._offset, "key": b"k", "value": self._value}
        return lambda: found.get(name)

    def timestamp(self) -> tuple[int, int]:
        """The first came a thousand seconds after 1970; of an end Kafka tells none."""
        return (1, (1_000 + self._offset) * 1_000) if self._value else (0, -1)


def row(offset: int) -> Any:
    return Message(offset, b'{"key":"k","at":%d}' % offset)


@pytest.mark.parametrize(
    "messages",
    [
        [row(0), row(1), row(2)],
        [row(0), row(1), row(2), row(3), Message(4)],  # written after the stop was chosen
        [row(0), row(1), row(3)],  # 2 is none of ours: a transaction's mark, or compacted away
        [row(0), row(1), Message(4)],
        [row(0), row(1), Message(3)],
    ],
)
def test_up_to_the_stop_all_is_given_out_and_the_offset_is_that_of_the_stop(messages):
    """What came after it is read by whoever goes on from here."""
    source = Source(Kafka(bootstrap_servers="127.0.0.1:1"), [ROWS], group="test")
    merge = Merge([ROWS], {PLACE: 0}, wait_s=0)
    source.start(merge, {PLACE: 3})
    for message in messages:
        source._take(merge, message, 0.0)
    times = []
    while (moment := merge.next(0.0)) is not None:
        times.append(moment.time)
    assert times == [record._offset * 1_000_000 for record in messages if record._value and record._offset < 3]
    assert merge.drained
    assert merge.offsets == {PLACE: 3}
    source.close()


def test_what_waits_and_what_was_used_tell_when_they_had_come_to_kafka():
    """The end of a partition among the records has no time, and a new assignment forgets what was read ahead."""
    source = Source(Kafka(bootstrap_servers="127.0.0.1:1"), [ROWS], group="test")
    merge = Merge([ROWS], {PLACE: 0}, wait_s=0)
    source.start(merge)
    fetches: list[list[Any]] = [[row(0), row(1), Message(2)], [row(2), row(3), Message(4)], [Message(4)]]
    for messages in fetches:
        for message in messages:
            source._take(merge, message, 0.0)
        source._note_arrival(merge, messages)
    assert (source.arrivals.used_s, source.arrivals.waiting_s) == (None, 1_000)
    for used_s, waiting_s in ((None, 1_000), (1_001, 1_002), (1_001, 1_002), (1_003, None)):
        assert merge.next(1.0) is not None
        source.arrivals.used(merge.offsets)
        assert (source.arrivals.used_s, source.arrivals.waiting_s) == (used_s, waiting_s)
    source._take(merge, row(4), 0.0)
    source._note_arrival(merge, [row(4)])
    assert source.arrivals.waiting_s == 1_004
    source.start(Merge([ROWS], merge.offsets, wait_s=0))
    assert source.arrivals.waiting_s is None
