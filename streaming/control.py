"""The wanted state of every trainer, on the compacted topic `headrace.control`: it survives restarts of everything."""

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import KafkaError

from streaming.audit import audit_record, person
from streaming.errors import Unavailable
from streaming.history import history
from streaming.kafka import ensure_topics, producer
from streaming.settings import Kafka
from streaming.topics import AUDIT, CONTROL, STATUS

_ANSWER_S = 10.0


def training_key(use_case: str) -> str:
    """The record key of a use case's switch."""
    return f"training/{use_case}"


def wants_training(records: dict[str, Any], use_case: str) -> bool:
    """Is training wanted, as the control records say; on when nobody has said."""
    return bool((records.get(training_key(use_case)) or {}).get("enabled", True))


def training_record(use_case: str, *, enabled: bool) -> tuple[str, bytes]:
    """Key and value of the record that turns a use case's training on or off."""
    return training_key(use_case), orjson.dumps({"enabled": enabled, "time": time.time()})


def set_training(kafka: Kafka, use_case: str, *, enabled: bool) -> None:
    """Say that training is wanted or not; returns after the broker's acknowledgement."""
    what = f"training {'on' if enabled else 'off'}"
    want(kafka, *training_record(use_case, enabled=enabled), audit=audit_record(what, use_case, person()))


def want(kafka: Kafka, key: str, value: bytes | None, *, audit: tuple[str, bytes]) -> None:
    """Say what is wanted, and who wants it; without a value, that nothing is any more.

    Returns after the broker's acknowledgement.
    """
    failed: list[KafkaError] = []
    client = producer(kafka, **{"message.timeout.ms": round(_ANSWER_S * 1000)})

    def note(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            failed.append(error)

    ensure_topics(kafka, [CONTROL, AUDIT], compacted=True)
    client.produce(CONTROL, key=key, value=value, on_delivery=note)
    client.produce(AUDIT, key=audit[0], value=audit[1], on_delivery=note)
    left = client.flush(_ANSWER_S + 1)
    if failed or left:
        reason = failed[0].str() if failed else "no acknowledgement"
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} did not take what is wanted ({reason})")


def read_latest(kafka: Kafka, topic: str) -> dict[str, Any]:
    """The latest JSON value of every key of a compacted topic, read to its end."""
    latest: dict[str, Any] = {}
    for message in history(kafka, topic):
        apply(latest, message.key(), message.value())
    return latest


def apply(latest: dict[str, Any], key: bytes | None, value: bytes | None) -> None:
    """Take one record of a compacted topic: the newest wins, no value removes; what is not JSON is passed over."""
    name = (key or b"").decode(errors="replace")
    if value is None:
        latest.pop(name, None)
        return
    try:
        latest[name] = orjson.loads(value)
    except orjson.JSONDecodeError:
        return


def read_status(kafka: Kafka, use_case: str) -> list[dict[str, Any]]:
    """What the trainers of a use case last said of themselves, one a shard, of the highest epoch."""
    return [value for key, value in sorted(read_latest(kafka, STATUS).items()) if key.startswith(f"{use_case}/")]


def training_facts(kafka: Kafka, use_case: str) -> dict[str, bool | None]:
    """`enabled`: what is wanted; `applied`: what the trainer last said it does (None when none has spoken)."""
    enabled = wants_training(read_latest(kafka, CONTROL), use_case)
    said = [status["training"]["applied"] for status in read_status(kafka, use_case) if is_recent(status)]
    return {"enabled": enabled, "applied": all(said) if said else None}


def training_sentence(use_case: str, facts: dict[str, bool | None]) -> str:
    """The same for a person.

    >>> training_sentence("churn", {"enabled": False, "applied": True})
    'training of churn is off; the trainer has not followed yet'
    """
    wanted = "on" if facts["enabled"] else "off"
    followed = {None: "no trainer is running", facts["enabled"]: "the trainer follows"}
    return f"training of {use_case} is {wanted}; {followed.get(facts['applied'], 'the trainer has not followed yet')}"


def is_recent(status: dict[str, Any]) -> bool:
    """The trainer has spoken within the last ten seconds."""
    said = datetime.fromisoformat(status["time"])
    return (datetime.now(UTC) - said).total_seconds() < 10
