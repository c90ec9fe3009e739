"""The rows of one topic that wait for their commit."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import polars as pl
from confluent_kafka import Message

from streaming.archive_schema import Columns, Places
from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.merge import Dead, Place
from streaming.origin import is_for_another
from streaming.topics import Topic
from streaming.usecase import Event

_CHUNK = 5_000
"""Events that are kept as Python objects; a data frame holds them in a tenth of the room."""
_UNFIT = (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError)


class Batch:
    """Decoded records in the order of their offsets, with the dead letters between them."""

    def __init__(self, topic: Topic, codec: Codec, columns: Columns, topic_id: str) -> None:
        """Begin with none."""
        self._topic, self._codec, self._columns, self._topic_id = topic, codec, columns, topic_id
        self._events: list[Event] = []
        self._places = Places([], [], [])
        self._kept: list[Message] = []
        self._frames: list[pl.DataFrame] = []
        self.rows = 0
        self.size = 0
        """Bytes of the records."""
        self.dead: deque[Dead] = deque()
        """Still to be delivered."""
        self.buried = 0
        """All dead letters, delivered or not."""
        self.last: dict[int, int] = {}
        """The last offset by partition, dead letters included."""

    def add(self, partition: int, messages: Sequence[Message]) -> None:
        """Add the next records of a partition."""
        self.last[partition] = _offset(messages[-1])
        # What was sent back for one use case is an event that is here already, as the original.
        messages = [message for message in messages if not is_for_another(message, None)]
        values: list[Any] = [message.value() for message in messages]
        try:
            events = list(map(self._codec.decode, values))
        except BadRecord:
            messages, events = self._sift(partition, messages)
        self._events += events
        self._places.partitions.extend([partition] * len(messages))
        self._places.offsets.extend([message.offset() for message in messages])  # type: ignore[misc]  # as _offset
        self._places.times_ms.extend([message.timestamp()[1] for message in messages])
        self._kept += messages
        self.size += sum(len(value) for value in values if value)
        self.rows += len(messages)
        if len(self._events) >= _CHUNK:
            self._condense()

    def frame(self) -> pl.DataFrame:
        """All rows."""
        self._condense()
        return pl.concat(self._frames) if self._frames else pl.DataFrame(schema=self._columns.schema)

    def _sift(self, partition: int, messages: Sequence[Message]) -> tuple[list[Message], list[Event]]:
        good: list[Message] = []
        events: list[Event] = []
        for message in messages:
            try:
                events.append(self._codec.decode(message.value()))
                good.append(message)
            except BadRecord as bad:
                self._bury(partition, message, str(bad))
        return good, events

    def _condense(self) -> None:
        """Turn the collected events into a data frame."""
        if not self._events:
            return
        try:
            self._frames.append(self._columns.frame(self._events, self._topic_id, self._places))
        except _UNFIT:
            self._condense_singly()
        self._events, self._places, self._kept = [], Places([], [], []), []

    def _condense_singly(self) -> None:
        """Find the events that satisfy the schema and still fit no column, as a whole number beyond 64 bits."""
        for event, message, *place in zip(self._events, self._kept, *self._places, strict=True):
            try:
                self._frames.append(self._columns.frame([event], self._topic_id, Places(*([one] for one in place))))
            except _UNFIT as error:
                self._bury(place[0], message, f"it cannot be archived: {' '.join(str(error).split())}")
                self.rows -= 1

    def _bury(self, partition: int, message: Message, reason: str) -> None:
        key: Any = message.key()
        value: Any = message.value()
        self.buried += 1
        self.dead.append(Dead(Place(self._topic.name, partition), _offset(message), key, value, reason))


def _offset(message: Message) -> int:
    return message.offset()  # type: ignore[return-value]  # None is for messages that were not sent yet
