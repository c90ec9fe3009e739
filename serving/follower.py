"""Follows compacted topics: reads them from the beginning to the end, then every record as it comes."""

import threading
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streaming.errors import HeadraceError
from streaming.kafka import client_config
from streaming.kafka_statistics import statistics
from streaming.settings import Kafka

log = structlog.get_logger()

Take = Callable[[str, str, "bytes | None"], None]

_ANSWER_S = 2.0
_AGAIN_S = 1.0
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)  # noqa: SLF001


class Follower:
    """One thread that gives every record of its topics to `take(topic, key, value)`, in each partition's order."""

    def __init__(
        self,
        kafka: Kafka,
        topics: Sequence[str],
        take: Take,
        prepare: Callable[[], None],
        caught_up: threading.Event,
    ) -> None:
        """`prepare` makes the topics that do not exist yet; `caught_up` is set when they are read to their end."""
        self._kafka, self._topics, self._take, self._prepare = kafka, topics, take, prepare
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{topics[0]}", daemon=True)
        self._caught_up = caught_up
        self._away = False

    @property
    def ready(self) -> bool:
        """The topics have been read to their end; it stays so while Kafka is away."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin, with or without Kafka."""
        self._thread.start()

    def stop(self, within_s: float = 3.0) -> None:
        """End the thread; one that waits for a broker that is away is left behind."""
        self._stop.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, HeadraceError) as error:
                if not self._away:
                    what = "Kafka cannot be followed, tried again each second"
                    log.warning(what, topics=list(self._topics), reason=_reason(error))
                self._away = True
                self._stop.wait(_AGAIN_S)

    def _follow(self) -> None:
        """From the beginning until told to stop, or until a topic is gone (it may be made again)."""
        own = {
            "group.id": "headrace.serving",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 100,
        }
        consumer = Consumer(client_config(self._kafka, **statistics("follower"), **own))
        try:
            consumer.list_topics(timeout=_ANSWER_S)
            self._prepare()
            found = consumer.list_topics(timeout=_ANSWER_S).topics
            places = [(name, partition) for name in self._topics for partition in found[name].partitions]
            consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in places])
            if self._away:
                log.info("Kafka is followed again", topics=list(self._topics))
            self._away = False
            self._read(consumer, set(places))
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, behind: set[tuple[str, int]]) -> None:
        while not self._stop.is_set():
            first = consumer.poll(0.2)  # returns with the first record; the rest of what has come is fetched at once
            for message in (first, *consumer.consume(1_000, 0)) if first is not None else ():
                error = message.error()
                if error is None:
                    key = (message.key() or b"").decode(errors="replace")
                    self._take(message.topic() or "", key, message.value())
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
                    behind.discard((message.topic() or "", message.partition() or 0))
                    if not behind:
                        self._caught_up.set()
                elif error.code() in _GONE:
                    raise KafkaException(error)
                # Everything else (a broker away, a leader moving) librdkafka mends by itself.


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(first)
