"""Events of parcels, and a producer that writes them until told to stop and keeps what the broker acknowledged."""

import random
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple, Self

import orjson
from confluent_kafka import KafkaError, Message

from streaming.kafka import producer
from streaming.settings import Kafka
from tests.soak.parcels import ARRIVED, SENT, TOO_FAR_KM, WORLD

PARTITIONS = 3


class Line(NamedTuple):
    """One record to be written."""

    topic: str
    key: str
    value: bytes


def lines(chance: random.Random, times: Iterator[float], *, disorder: bool) -> Iterator[Line]:
    """Parcels are sent; most arrive, some twice, some never. One record in 150 is broken, one in 300 is refused.

    With `disorder` one in a hundred comes seconds late, and answers may come before their questions.
    """
    waiting: list[tuple[float, int, float]] = []
    for number, now in enumerate(times):
        late = disorder and chance.random() < 0.01
        at = round(now - (chance.uniform(1, 8) if late else 0), 3)
        due = next((place for place, (when, _, _) in enumerate(waiting) if when <= now), None)
        if number > 20 and chance.random() < 1 / 150:
            yield Line(chance.choice((SENT.name, ARRIVED.name)), f"p{number}", b'{"number": %d, broken' % number)
        elif due is not None:
            _, parcel, hours = waiting[due] if chance.random() < 0.03 else waiting.pop(due)
            event = {"world": WORLD, "number": number, "at": at, "parcel": parcel, "hours": hours}
            yield Line(ARRIVED.name, f"p{parcel}", orjson.dumps(event))
        else:
            km = round(chance.uniform(1, 9_000) if number < 20 or chance.random() > 1 / 300 else TOO_FAR_KM + 1, 1)
            express = chance.random() < 0.3
            event = {"world": WORLD, "number": number, "at": at, "km": km, "express": express}
            yield Line(SENT.name, f"p{number}", orjson.dumps(event))
            if chance.random() < 0.9:
                first = -1.0 if disorder and chance.random() < 0.05 else 0.2
                hours = round(km / (80 if express else 40) + chance.gauss(8, 2) ** 2 / 8, 2)
                waiting.append((now + chance.uniform(first, 8.0), number, hours))


def evenly(count: int, *, start: float = 1_767_225_600.0, step: float = 0.01) -> Iterator[float]:
    """So many moments, a step apart; every third one twice."""
    return (start + step * (number - number % 3 // 2) for number in range(count))


Written = dict[tuple[str, int, int], tuple[bytes | None, bytes | None]]
"""Key and value by topic, partition and offset."""


class Writer:
    """Writes lines to Kafka, through whatever happens to the broker."""

    def __init__(self, kafka: Kafka) -> None:
        """Nothing is written before it is asked to."""
        self.written: Written = {}
        """What the broker has acknowledged."""
        self.failed: list[str] = []
        self._producer = producer(kafka, **{"queue.buffering.max.messages": 1_000_000})

    def fill(self, lines: Iterator[Line]) -> Self:
        """Write them all, and wait for the acknowledgements."""
        for line in lines:
            self._send(line)
        self.close()
        return self

    def keep_writing(self, lines: Iterator[Line], stopped: threading.Event, *, pause_s: float) -> None:
        """Write one after the other until `stopped`; the acknowledgements may come later."""
        for line in lines:
            self._send(line)
            if stopped.wait(pause_s):
                return

    def close(self, within_s: float = 120.0) -> None:
        """Wait for the acknowledgements."""
        left = self._producer.flush(within_s)
        if left or self.failed:
            raise AssertionError(f"{left} records were not acknowledged, failures: {self.failed[:3]}")

    def _send(self, line: Line) -> None:
        self._producer.produce(line.topic, key=line.key, value=line.value, on_delivery=self._note)
        self._producer.poll(0)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(error.str())
            return
        place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        self.written[place] = (message.key(), message.value())


def present() -> Iterator[float]:
    """The time that it is."""
    while True:
        yield time.time()
