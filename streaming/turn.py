"""One process at a time: whoever holds the only partition of `headrace.control` in a consumer group of that name."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from streaming.errors import HeadraceError
from streaming.kafka import client_config, close_within, ensure_topics
from streaming.settings import Kafka
from streaming.topics import CONTROL

_WAIT_S = 15.0
"""Longer than the session of a process that was killed in its turn."""


@contextmanager
def turn(kafka: Kafka, name: str, what: str) -> Iterator[None]:
    """Hold the turn called `name`; `HeadraceError` says that another process does `what`."""
    ensure_topics(kafka, [CONTROL], compacted=True)
    own = {
        "group.id": f"headrace.{name}",
        "partition.assignment.strategy": "cooperative-sticky",  # a newcomer does not take the turn from its holder
        "session.timeout.ms": 6000,
        "enable.auto.commit": False,
    }
    consumer = Consumer(client_config(kafka, **own))
    try:
        consumer.subscribe([CONTROL])
        until = time.monotonic() + _WAIT_S
        while not consumer.assignment():
            consumer.poll(0.1)
            if time.monotonic() > until:
                raise HeadraceError(f"another process {what}: try again when it is done")
        yield
    finally:
        close_within(consumer)
