"""Kafka: client settings, topics that are made when missing, and what librdkafka does not do by itself."""

import threading
import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streaming.errors import HeadraceError, Unavailable
from streaming.settings import Kafka
from streaming.topics import COMPACTED, CONTROL

ANSWER_S = 15.0
"""How long a broker may take for an answer."""
_NO_LEADER = KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART
# Compacted topics must give room back soon: their readers read them to the end at every start.
_COMPACTED = {**COMPACTED, "min.cleanable.dirty.ratio": "0.1", "segment.ms": "600000"}


def client_config(kafka: Kafka, **own: Any) -> dict[str, Any]:
    """librdkafka's settings: ours, then the user's, which win."""
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": "headrace",
        "log_level": 2,  # a broker that is away is said once by us, not thrice a second by the client
        "reconnect.backoff.max.ms": 1000,
        **own,
        **kafka.config,
    }


def producer(kafka: Kafka, **own: Any) -> Producer:
    """A producer that loses nothing while brokers are away, and places keys as Kafka's own clients do."""
    return Producer(
        client_config(
            kafka,
            **{
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "linger.ms": 5,
                "compression.type": "lz4",
            }
            | own,
        )
    )


def admin(kafka: Kafka) -> AdminClient:
    """An admin client."""
    return AdminClient(client_config(kafka))


def wait_for_kafka(kafka: Kafka, timeout_s: float = ANSWER_S) -> None:
    """Return when a broker answers; `Unavailable` names the address."""
    try:
        admin(kafka).list_topics(timeout=timeout_s)
    except KafkaException as error:
        reason = error.args[0].str().removeprefix("Failed to get metadata: ")
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer ({reason})") from None


def ensure_topics(kafka: Kafka, names: Iterable[str], *, compacted: bool = False) -> None:
    """Make the topics that do not exist yet; those that do are left as they are."""
    wait_for_kafka(kafka)
    client = admin(kafka)
    existing = client.list_topics(timeout=ANSWER_S).topics
    wanted = [
        NewTopic(
            name,
            num_partitions=1 if name == CONTROL else kafka.partitions,
            replication_factor=kafka.replication,
            config=_COMPACTED if compacted else {},
        )
        for name in names
        if name not in existing
    ]
    if not wanted:
        return
    for name, future in client.create_topics(wanted, operation_timeout=ANSWER_S).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise HeadraceError(f"the topic {name} cannot be made: {error.args[0].str()}") from None
    _wait_for_leaders(client, [topic.topic for topic in wanted])


def _wait_for_leaders(client: AdminClient, names: list[str]) -> None:
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        topics = client.list_topics(timeout=ANSWER_S).topics
        parts = [topics[name].partitions.values() if name in topics else () for name in names]
        if all(group and all(p.leader >= 0 for p in group) for group in parts):
            return
        time.sleep(0.05)
    raise Unavailable(f"the topics {', '.join(names)} were made but have no leader yet")


def topic_ids(kafka: Kafka, names: Iterable[str], client: AdminClient | None = None) -> dict[str, str]:
    """Kafka's own id of each topic: a topic that was deleted and made again has another one."""
    client = client or admin(kafka)
    futures = client.describe_topics(TopicCollection(list(names)), request_timeout=ANSWER_S)
    try:
        return {name: str(future.result().topic_id) for name, future in futures.items()}
    except KafkaException as error:
        raise Unavailable(f"Kafka cannot describe its topics: {error.args[0].str()}") from None


def is_final(error: KafkaError) -> bool:
    """Whether this member of a group hears nothing ever again.

    It is said once, as a message: another member has come with the same `group.instance.id`. That may have been an
    earlier request of ours, which a broker that hung has answered after a later one.
    """
    fenced = KafkaError._FATAL, KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID  # noqa: SLF001  # public names
    return error.fatal() or error.code() in fenced


def watermarks(consumer: Consumer, partition: TopicPartition, timeout_s: float = ANSWER_S) -> tuple[int, int]:
    """The first offset kept and the next one to be written, asked for again while a leader is being chosen."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found: tuple[int, int] = consumer.get_watermark_offsets(partition, timeout=timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return found


def close_within(consumer: Consumer, seconds: float = 5.0) -> None:
    """Leave the group and close, but do not wait for brokers that are away: everything worth keeping is stored."""
    thread = threading.Thread(target=consumer.close, name="close", daemon=True)
    thread.start()
    thread.join(seconds)
