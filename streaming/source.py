"""The source: a use case's topics, fetched from given offsets into the event-time merge."""

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streaming.arrivals import Arrivals
from streaming.codec import Codec
from streaming.errors import BadRecord, HeadraceError, Unavailable
from streaming.failpoints import failpoint
from streaming.kafka import ANSWER_S, client_config, close_within, watermarks
from streaming.kafka_statistics import statistics
from streaming.merge import Dead, Merge, Place
from streaming.origin import is_for_another
from streaming.settings import Kafka
from streaming.topics import Topic

FETCH = 500
"""Records of one fetch: more would make a slow pool wait for them, fewer cost time."""


class Source:
    """Reads a use case's topics from given offsets into a `Merge`.

    Offsets are assigned, never taken from the group: they live with the state that they belong to.
    """

    def __init__(
        self, kafka: Kafka, topics: Iterable[Topic], *, group: str, reader: str | None = None, only: int | None = None
    ) -> None:
        """Prepare a consumer; nothing is read before `start`. `only`: this partition of each topic.

        Records that were sent back for another use case than `reader` are passed over.
        """
        self._topics, self._reader, self._only = list(topics), reader, only
        self._codecs = {topic.name: Codec(topic) for topic in self._topics}
        self._consumer = Consumer(
            client_config(
                kafka,
                **{
                    "group.id": group,
                    "enable.auto.commit": False,
                    "auto.offset.reset": "error",
                    "enable.partition.eof": True,
                    "fetch.wait.max.ms": 100,
                    "fetch.error.backoff.ms": 100,
                    "fetch.queue.backoff.ms": 10,  # by default a full queue is looked at again after a whole second
                    "queued.max.messages.kbytes": 16384,
                    **statistics("reader"),
                },
            )
        )
        self._merge: Merge | None = None
        self._reading: set[Place] = set()
        self._stop_at: dict[Any, int] = {}
        self._held: set[Place] = set()
        self._paused = False
        self.arrivals = Arrivals()

    def places(self) -> list[Place]:
        """Every partition that is to be read."""
        if self._only is not None:
            return [Place(topic.name, self._only) for topic in self._topics]
        return [Place(name, part) for name, count in self.partitions().items() for part in range(count)]

    def partitions(self) -> dict[str, int]:
        """How many partitions each topic has."""
        try:
            found = self._consumer.list_topics(timeout=ANSWER_S).topics
        except KafkaException as error:
            raise Unavailable(f"Kafka does not tell its partitions: {error.args[0].str()}") from None
        return {topic.name: len(found[topic.name].partitions) for topic in self._topics}

    def bounds(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset kept and the next one to be written, by partition."""
        try:
            return {place: watermarks(self._consumer, TopicPartition(*place)) for place in places}
        except KafkaException as error:
            raise Unavailable(f"Kafka does not tell its offsets: {error.args[0].str()}") from None

    def start(self, merge: Merge, stop_at: dict[Place, int] | None = None) -> None:
        """Read every partition from the merge's offsets on; with `stop_at`, up to those offsets."""
        self._assign(merge, stop_at, merge.offsets)

    def pause(self) -> None:
        """Fetch nothing more; `poll` must still be called."""
        if self._merge and not self._paused:
            self._consumer.pause([TopicPartition(*place) for place in self._reading])
            self._paused = True

    def poll(self, timeout_s: float) -> int:
        """Fetch up to `FETCH` records into the merge; tells how many came."""
        with failpoint("poll"):
            messages = self._consumer.consume(FETCH, timeout_s)
        fetched = time.monotonic()
        if self._merge is not None and messages:
            for message in messages:
                self._take(self._merge, message, fetched)
            self._note_arrival(self._merge, messages)
            self._look_for_ends(self._merge)
        if self._merge is not None and (messages or self._held):  # those that are held bring no messages
            self._hold(self._merge)
        return len(messages)

    def lag(self) -> int:
        """Records that Kafka holds and the learner has not used: by the last fetch or, while paused, by asking."""
        return sum(self.lags().values())

    def lags(self) -> dict[str, int]:
        """The same by topic."""
        behind = {topic.name: 0 for topic in self._topics}
        offsets = self._merge.offsets if self._merge else {}
        for place in self._reading:
            partition, offset = TopicPartition(*place), offsets[place]
            try:
                high = self._consumer.get_watermark_offsets(partition, timeout=0.5, cached=not self._paused)[1]
            except KafkaException:
                high = self._consumer.get_watermark_offsets(partition, cached=True)[1]
            behind[place.topic] += max(0, high - offset)
        return behind

    def commit(self, offsets: dict[Place, int]) -> None:
        """Tell Kafka where we are: a hint for lag monitors, never the truth."""
        parts = [TopicPartition(*place, at) for place, at in offsets.items()]
        with failpoint("commit-offsets"):
            self._consumer.commit(offsets=parts, asynchronous=True)

    def close(self) -> None:
        """Leave; a broker that is away is not waited for."""
        close_within(self._consumer)

    def _assign(self, merge: Merge, stop_at: dict[Place, int] | None, offsets: dict[Place, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._merge, self._stop_at, self._held, self._paused = merge, stop_at or {}, set(), False
        self.arrivals.forget()
        self._reading = set(offsets)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in offsets.items()])
        self._consumer.resume([TopicPartition(*place) for place in offsets])  # a pause outlives an assignment
        for place, offset in offsets.items():
            self._close_at_stop(merge, place, offset)

    def _assign_more(self, merge: Merge, place: Place, offset: int) -> None:
        """Read one more partition."""
        if not self._close_at_stop(merge, place, offset):
            self._reading.add(place)
            self._consumer.incremental_assign([TopicPartition(*place, offset)])
            self._consumer.resume([TopicPartition(*place)])

    def _close_at_stop(self, merge: Merge, place: Place, offset: int) -> bool:
        stopped = place in self._stop_at and offset >= self._stop_at[place]
        if stopped:
            merge.ended(place, offset)
            merge.close(place)
        return stopped

    def _look_for_ends(self, merge: Merge) -> None:
        """Note which partitions are at their end by the last fetch: the client's own word comes a fetch later."""
        for place, offset in merge.fetched.items():
            if place not in self._reading:
                continue
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            if 0 <= high <= offset:
                merge.ended(place, high)

    def _note_arrival(self, merge: Merge, messages: list[Message]) -> None:
        """Keep when these records had come to Kafka, once for all of them."""
        first, last = (
            next((message.timestamp()[1] / 1000 for message in way if message.error() is None), 0.0)
            for way in (messages, reversed(messages))
        )
        if first > 0 and (ahead := merge.ahead):
            self.arrivals.fetched(ahead, first, last)

    def _take(self, merge: Merge, message: Message, fetched: float) -> None:
        place: tuple[str, int] = (message.topic(), message.partition())  # type: ignore[assignment]  # always set
        offset: int = message.offset()  # type: ignore[assignment]
        error = message.error()
        if error is not None:
            self._take_error(merge, Place(*place), offset, error)
            return
        stop = self._stop_at.get(place)
        if stop is not None and offset >= stop:
            self._close_at_stop(merge, Place(*place), stop)
            return
        if not is_for_another(message, self._reader):
            self._add(merge, message, place, offset, fetched)
        if stop is not None and offset + 1 >= stop:
            merge.close(Place(*place))

    def _add(self, merge: Merge, message: Message, place: tuple[str, int], offset: int, fetched: float) -> None:
        key, value = message.key(), message.value()
        codec = self._codecs[place[0]]
        try:
            event = codec.decode(value)
            merge.add(place, offset, key, codec.time_us(event), event, value or b"", fetched)
        except BadRecord as bad:
            merge.add_bad(Dead(Place(*place), offset, key, value, str(bad)))

    def _take_error(self, merge: Merge, place: Place, offset: int, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
            end = min(offset, self._stop_at.get(place, offset))  # what came after the stop is not ours to pass over
            merge.ended(place, end)
            self._close_at_stop(merge, place, end)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            where, replay = f"{place.topic}[{place.partition}]", f"headrace replay {self._reader or ''}".rstrip()
            raise HeadraceError(
                f"{where}: the next offset is gone from Kafka ({error.str()}): rebuild with `{replay}` or start from "
                "nothing with `--fresh`"
            )
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED or error.fatal():
            raise HeadraceError(f"Kafka refuses to go on: {error.str()}")
        # Everything else (a broker away, a leader moving) librdkafka mends by itself.

    def _hold(self, merge: Merge) -> None:
        """Stop fetching partitions that are far ahead of the others; go on when they are used up."""
        if self._paused:
            return
        for place in self._reading:
            if place in self._held:
                if merge.buffered(place) < 1_000:
                    self._held.remove(place)
                    self._consumer.resume([TopicPartition(*place)])
            elif merge.full(place):
                self._held.add(place)
                self._consumer.pause([TopicPartition(*place)])
