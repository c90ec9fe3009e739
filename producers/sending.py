"""Sending records to Kafka: at a steady pace, losing none while brokers are away."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message

from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import producer, wait_for_kafka
from streaming.settings import Kafka

_LAST_WORD_S = 10.0
_SLICE_S = 0.1
Say = Callable[[str], None]
Outgoing = tuple[str, bytes | None, bytes]
"""Topic, key, value."""
T = TypeVar("T")


class Stop:
    """Whether the command was asked to end, by SIGTERM or Ctrl-C."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.requested = False

    def listen(self) -> None:
        """Let the signals ask, instead of ending the process where it stands."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.request)

    def request(self, *_: Any) -> None:
        """Ask."""
        self.requested = True


class Pace:
    """Spreads events evenly: each is due 1/rate seconds after the one before it.

    After a pause of more than a second (a broker was away) it starts anew, instead of sending what was missed at once.
    """

    def __init__(
        self,
        rate: float | None,
        stop: Stop,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`rate` in events a second; None is as fast as it goes."""
        self._gap_s = 1 / rate if rate else 0.0
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def wait(self) -> None:
        """Return when the next event is due, or when the command is to end."""
        if not self._gap_s:
            return
        now = self._clock()
        if now - self._due > max(1.0, self._gap_s):
            self._due = now
        while (left := self._due - now) > 0.001 and not self._stop.requested:
            self._sleep(min(left, _SLICE_S))
            now = self._clock()
        self._due += self._gap_s


class Sender:
    """A Kafka producer that counts what the broker has acknowledged."""

    def __init__(self, kafka: Kafka, stop: Stop, say: Say, *, mark: str | None = None) -> None:
        """`mark` names the simulator in a header of every record, so that it finds its own last record again."""
        self.delivered: Counter[str] = Counter()
        self._address = kafka.bootstrap_servers
        self._stop = stop
        self._say = say
        self._away = False
        self._refusal: KafkaError | None = None
        self._too_large = 0
        self._headers: Any = [("simulator", mark.encode())] if mark else None
        self._producer = producer(kafka, on_delivery=self._hear, error_cb=self._hear_error)

    def send(self, topic: str, key: bytes | None, value: bytes, *, headers: Any = None) -> bool:
        """Queue a record, waiting for room; False when the command is to end before there was any."""
        while not self._stop.requested:
            self._check()
            try:
                self._producer.produce(topic, value, key, headers=headers or self._headers)
            except BufferError:
                self._producer.poll(_SLICE_S)
                continue
            except KafkaException as error:
                self._lose(error.args[0])
            else:
                self._producer.poll(0)
            return True
        return False

    def flush(self) -> None:
        """Return when everything queued is on its topic; when the command is to end, after ten seconds at the latest.

        Records that are not make an error that says how many, and why.
        """
        last_word = None
        while waiting := self._producer.flush(_SLICE_S):
            self._check()
            if self._stop.requested:
                last_word = last_word or time.monotonic() + _LAST_WORD_S
                if time.monotonic() >= last_word:
                    raise HeadraceError(f"{waiting} events were not delivered: {self._address} does not answer")
        self._check()
        if self._too_large:
            raise HeadraceError(f"not delivered, too large for Kafka: {self._too_large} events")

    def _check(self) -> None:
        if self._refusal is not None:
            raise HeadraceError(f"Kafka at {self._address} refuses the events: {self._refusal.str()}")

    def _lose(self, error: KafkaError) -> None:
        """One record may be too large; any other refusal would meet the next record too."""
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._too_large += 1
        else:
            self._refusal = error

    def _hear(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._lose(error)
            return
        self.delivered[message.topic() or ""] += 1
        if self._away:
            self._away = False
            self._say(f"Kafka at {self._address} answers again")

    def _hear_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._refusal = error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN and not self._away:  # noqa: SLF001  # its public name
            self._away = True
            self._say(f"Kafka at {self._address} does not answer; waiting for it")


def patiently(action: Callable[[], T], kafka: Kafka, stop: Stop, say: Say) -> T | None:
    """Do it as soon as Kafka answers, waiting as long as it takes; after two seconds a sentence says that we wait.

    None when the command is to end before.
    """
    said, began = False, time.monotonic()
    while not stop.requested:
        try:
            wait_for_kafka(kafka, timeout_s=2.0)
            return action()
        except Unavailable as error:
            if not said and time.monotonic() - began > 1.9:
                say(f"{error}; waiting for it")
                said = True
            time.sleep(_SLICE_S)
    return None


def send_all(records: Iterable[Outgoing], sender: Sender, pace: Pace) -> None:
    """Send records at this pace until they or our time are over; return when Kafka has them."""
    for topic, key, value in records:
        pace.wait()
        if not sender.send(topic, key, value):
            break
    sender.flush()
