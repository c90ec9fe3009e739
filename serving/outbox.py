"""Sends single records to Kafka, and waits for the broker's acknowledgement without blocking requests."""

import asyncio
import contextlib
import threading

from confluent_kafka import KafkaError, Message, Producer

from streaming.errors import Unavailable
from streaming.kafka import producer
from streaming.kafka_statistics import statistics
from streaming.settings import Kafka

_ANSWER_S = 5.0


class Outbox:
    """A producer whose acknowledgements a thread collects."""

    def __init__(self, kafka: Kafka) -> None:
        """Kafka may be away: it is tried again until a record's time is up."""
        self._address = kafka.bootstrap_servers
        self._producer: Producer = producer(
            kafka, **{"message.timeout.ms": round(_ANSWER_S * 1000), **statistics("outbox")}
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to collect acknowledgements."""
        self._thread.start()

    def stop(self) -> None:
        """Wait a moment for what is on its way."""
        self._stop.set()
        self._thread.join(2)
        self._producer.flush(2)

    async def send(self, topic: str, key: str, value: bytes | None) -> None:
        """Return after the broker's acknowledgement; `Unavailable` when it does not come."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[KafkaError | None] = loop.create_future()

        def note(error: KafkaError | None, _message: Message) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(_settle, done, error)

        try:
            self._producer.produce(topic, key=key, value=value, on_delivery=note)
        except BufferError:
            raise Unavailable(f"Kafka at {self._address} takes nothing (the queue is full)") from None
        error = await done
        if error is not None:
            raise Unavailable(f"Kafka at {self._address} did not take the record ({error.str()})")

    def _run(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)


def _settle(done: "asyncio.Future[KafkaError | None]", error: KafkaError | None) -> None:
    if not done.done():
        done.set_result(error)
