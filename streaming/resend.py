"""Sends dead letters back to their topic, each one once.

The record is sent, Kafka acknowledges it, the letter gets its tombstone. A crash in between leaves both, and a reader
that was behind (a restarted trainer, a late archive) may write a letter again after its tombstone. So nothing is sent
before the topic itself was asked: each record that was sent back names its letter in a header, and is younger than the
original.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import KafkaError, Message, Producer

from streaming.codec import Codec
from streaming.deadletters import Letter
from streaming.errors import BadRecord, Unavailable
from streaming.failpoints import failpoint
from streaming.history import history, offsets_at
from streaming.kafka import producer
from streaming.origin import FOR, ORIGIN, origin_of
from streaming.settings import Kafka
from streaming.topics import Topic

_SEND_S = 30.0


@dataclass(frozen=True)
class Mended:
    """A record that satisfies the schema, ready to be sent in the place of a letter."""

    letter: Letter
    key: str
    value: bytes


@dataclass
class Outcome:
    """What became of the letters."""

    sent: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    """The topic holds them already: they were sent back before."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why those that stay cannot be sent."""


def mend(codec: Codec, letter: Letter, records: Mapping[str, Any]) -> Mended:
    """The letter's record, or the one that `records` has in its place; `BadRecord` says what is wrong with it."""
    value = letter.value
    if letter.key in records and _encode(records[letter.key]) != _encode(letter.record):
        value = _encode(records[letter.key])  # what was not touched goes back byte by byte
    event = codec.decode(value or None)
    codec.time_us(event)
    return Mended(letter, codec.key(event), value)


def send_back(
    kafka: Kafka, topic: Topic, letters: Iterable[Letter], records: Mapping[str, Any], *, again: bool = False
) -> Outcome:
    """Send the letters that satisfy the schema, after mending by `records`; with `again` also those sent before.

    `Unavailable` when Kafka did not take all: those that it did not acknowledge are letters still.
    """
    outcome, codec = Outcome(), Codec(topic)
    ready: list[Mended] = []
    for letter in letters:
        try:
            ready.append(mend(codec, letter, records))
        except BadRecord as error:
            outcome.refused[letter.key] = str(error)
    before = set() if again or not ready else sent_before(kafka, topic, [mended.letter for mended in ready])
    outcome.before = [mended.letter.key for mended in ready if mended.letter.key in before]
    fresh = [mended for mended in ready if mended.letter.key not in before]
    out = producer(kafka, **{"message.timeout.ms": round(_SEND_S * 1000)})
    with failpoint("send-letters-back"):
        outcome.sent = _send(out, topic, fresh)
    _close(out, topic, [*outcome.sent, *outcome.before])
    if len(outcome.sent) < len(fresh):
        raise Unavailable(f"Kafka took {len(outcome.sent)} of {len(fresh)} records of {topic.name}: run it again")
    return outcome


def sent_before(kafka: Kafka, topic: Topic, letters: Iterable[Letter]) -> set[str]:
    """The keys of letters that the topic holds as records sent back."""
    first: dict[int, Letter] = {}
    for letter in letters:
        at = first.setdefault(letter.place.partition, letter)
        if letter.offset < at.offset:
            first[letter.place.partition] = letter
    since = offsets_at(kafka, topic.name, min(_written_ms(kafka, topic, letter) for letter in first.values()))
    return {origin for message in history(kafka, topic.name, since) if (origin := origin_of(message))}


def _written_ms(kafka: Kafka, topic: Topic, letter: Letter) -> int:
    """When the original was written; where it is gone, the time of the oldest record there is."""
    for message in history(kafka, topic.name, {letter.place.partition: letter.offset}):
        if message.partition() == letter.place.partition:
            return min(message.timestamp()[1], letter.written_ms) if message.offset() == letter.offset else 0
    return 0


def _send(out: Producer, topic: Topic, records: Iterable[Mended]) -> list[str]:
    """The keys of the letters whose record Kafka has acknowledged."""
    arrived: list[str] = []
    for mended in records:

        def note(error: KafkaError | None, _message: Message, key: str = mended.letter.key) -> None:
            if error is None:
                arrived.append(key)

        headers: list[tuple[str, str | bytes | None]] = [(ORIGIN, mended.letter.key.encode())]
        if mended.letter.use_case is not None:
            headers.append((FOR, mended.letter.use_case.encode()))
        _produce(out, topic.name, key=mended.key, value=mended.value, headers=headers, on_delivery=note)
    out.flush(_SEND_S + 1)
    return arrived


def _close(out: Producer, topic: Topic, keys: Iterable[str]) -> None:
    """Put tombstones on letters; one that does not arrive is put by the next run."""
    for key in keys:
        _produce(out, topic.dead, key=key)
    out.flush(_SEND_S + 1)


def _produce(out: Producer, topic: str, **record: Any) -> None:
    """Queue a record, waiting for room."""
    while True:
        try:
            out.produce(topic, **record)
        except BufferError:
            out.poll(0.5)
        else:
            return


def _encode(record: Any) -> bytes:
    """A text is taken as it stands: it is a record that was not JSON."""
    if record is None:
        return b""
    return record.encode() if isinstance(record, str) else orjson.dumps(record)
