"""What a source fetches from a real broker, beyond what the trainers' own tests see."""

import json

from confluent_kafka import Producer, TopicPartition
from typing_extensions import TypedDict

from streaming.merge import Merge, Place
from streaming.settings import Kafka
from streaming.source import Source
from streaming.topics import Topic
from tests.support import make_topic, unique, wait_for

ROWS = 5_000
AHEAD = 2_000


class Row(TypedDict):
    """A record with its time."""

    key: str
    at: float


def test_a_partition_that_was_held_goes_on_when_no_other_has_anything_left_to_fetch(kafka):
    """It is far ahead while the other one is slow; then that one ends, and nothing comes any more but its own."""
    topic = Topic(unique("rows"), Row, key="key", time="at")
    make_topic(kafka, topic.name, partitions=2)
    producer = Producer({"bootstrap.servers": kafka})
    for at in range(ROWS):
        producer.produce(topic.name, json.dumps({"key": "long", "at": at}), key="long", partition=0)
        producer.poll(0)
    producer.produce(topic.name, json.dumps({"key": "short", "at": ROWS}), key="short", partition=1)
    producer.flush(10)
    long, short = Place(topic.name, 0), Place(topic.name, 1)
    source = Source(Kafka(bootstrap_servers=kafka), [topic], group=unique("test"))
    try:
        merge = Merge([topic], {long: 0, short: 0}, wait_s=0.0, read_ahead=AHEAD)
        source.start(merge, {long: ROWS, short: 1})
        source._consumer.pause([TopicPartition(*short)])  # it is slow
        wait_for(lambda: bool(source.poll(0.1)) and merge.full(long), what="the long one to be far ahead")
        source._consumer.resume([TopicPartition(*short)])
        wait_for(lambda: source.poll(0.1) == 0 and merge.buffered(short), what="the short one to its end")

        def drained() -> bool:
            while merge.next(0.0) is not None:
                pass
            source.poll(0.1)
            return merge.drained

        wait_for(drained, timeout_s=20, what="the rest of the long one")
        assert merge.offsets == {long: ROWS, short: 1}
    finally:
        source.close()
