"""Producing to a real broker: placement, going on after a crash, outages, files."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import islice

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.local.kafka import LocalKafka
from producers import telecom
from streaming.codec import Codec
from streaming.partition import partition_of
from tests.support import CommandLine, fill, make_topic, read_all, unique, wait_for
from usecases.telecom.events import CHURN, USAGE

TOPICS = (CHURN.name, USAGE.name)


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[LocalKafka]:
    """A broker of this file's own, which its tests may stop."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def world(broker, cli) -> Iterator[CommandLine]:
    """The command line, with a broker that holds no telecom topics yet."""
    cli.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"] = broker.bootstrap
    yield cli
    cli.close()
    delete_topics(broker.bootstrap)


def delete_topics(bootstrap: str) -> None:
    """Delete the telecom topics that exist."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    existing = [name for name in TOPICS if name in client.list_topics(timeout=10).topics]
    for future in client.delete_topics(existing).values() if existing else ():
        future.result()
    wait_for(lambda: not set(TOPICS) & set(client.list_topics(timeout=10).topics), what="topics to go")


def held(bootstrap: str) -> int:
    """Records on the telecom topics."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": unique("held"), "log_level": 0})
    try:
        topics = consumer.list_topics(timeout=5).topics
        places = [TopicPartition(name, p) for name in TOPICS if name in topics for p in topics[name].partitions]
        return sum(consumer.get_watermark_offsets(place, timeout=5)[1] for place in places)
    except KafkaException:
        return 0
    finally:
        consumer.close()


def holds_more_than(bootstrap: str, count: int) -> bool:
    """Whether the telecom topics hold more records than that."""
    return held(bootstrap) > count


def on_topics(bootstrap: str) -> dict[tuple[str, int], list[bytes]]:
    """The values of every partition, in order."""
    lanes = defaultdict(list)
    for topic in TOPICS:
        for message in read_all(bootstrap, topic):
            lanes[topic, message.partition() or 0].append(message.value() or b"")
    return dict(lanes)


def simulated(count: int, partitions: int = 3, **options) -> dict[tuple[str, int], list[bytes]]:
    """What the topics must hold after the simulator's first events."""
    codecs, lanes = {topic: Codec(topic) for topic in (CHURN, USAGE)}, defaultdict(list)
    for topic, event in islice(telecom.events(**options), count):
        key = codecs[topic].key(event).encode()
        lanes[topic.name, partition_of(key, partitions)].append(codecs[topic].encode(event))
    return dict(lanes)


def test_partition_of_equals_the_clients_placement(kafka):
    """A thousand keys of all lengths lie where `partition_of` says."""
    topic = unique("placement")
    make_topic(kafka, topic, partitions=7)
    keys = [f"C{n:09d}" for n in range(900)] + ["k" * n for n in range(1, 101)] + ["é", "客户", ""]
    fill(kafka, topic, [(key, b"x") for key in keys])
    found = {(m.key() or b"").decode(): m.partition() for m in read_all(kafka, topic)}
    assert found == {key: partition_of(key.encode(), 7) for key in keys}


def test_topics_hold_the_simulation(world, broker):
    """The topics are made with the partitions wanted, and hold each event where its key belongs, in order."""
    done = world("produce", "telecom", "--count", "2000", "--rate", "max", "--json", HEADRACE_KAFKA__PARTITIONS="5")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("sent 2,000 events: telecom.churn ")
    assert sum(json.loads(done.stdout)["events"].values()) == 2_000
    assert on_topics(broker.bootstrap) == simulated(2_000, partitions=5)


def test_killed_in_mid_flow(world, broker):
    """However often the producer is killed, the topics hold the events of the simulation once each, in order."""
    for _ in range(4):
        enough = held(broker.bootstrap) + 500
        running = world.start("produce", "telecom", "--rate", "max", "--customers", "500")
        wait_for(partial(holds_more_than, broker.bootstrap, enough), what="events to flow")
        running.process.kill()
        running.finish()
    done = world("produce", "telecom", "--count", "1000", "--rate", "max", "--customers", "500")
    assert done.returncode == 0, done.stderr
    assert on_topics(broker.bootstrap) == simulated(held(broker.bootstrap), customers=500)


def test_foreign_records_do_not_mislead(world, broker):
    """A broken record and one dated 2099 at the end of every partition do not change where the simulation goes on."""
    assert world("produce", "telecom", "--count", "1000", "--rate", "max").returncode == 0
    far = b'{"customer_id":"%b","date":"2099-01-01","data_gb":1.0,"minutes":1.0,"sms":1,"region":"north",'
    far += b'"current_plan":"basic","current_monthly_spend":20.0}'
    foreign = [(f"X{n}", value) for n in range(150) for value in (b"{", far % f"X{n}".encode())]
    fill(broker.bootstrap, USAGE.name, foreign)
    assert world("produce", "telecom", "--count", "1000", "--rate", "max").returncode == 0
    bad = {value for _, value in foreign}
    found = {place: [v for v in values if v not in bad] for place, values in on_topics(broker.bootstrap).items()}
    assert found == simulated(2_000)


def test_file_then_simulator(world, broker):
    """After a replay of the simulator's own files it goes on where they end."""
    assert world("produce", "telecom", "--count", "1000", "--out", "files").returncode == 0
    for topic in TOPICS:
        done = world("produce", "--topic", topic, "--file", f"files/{topic}.ndjson")
        assert done.returncode == 0, done.stderr
    assert on_topics(broker.bootstrap) == simulated(1_000)
    assert world("produce", "telecom", "--count", "500", "--rate", "max").returncode == 0
    assert on_topics(broker.bootstrap) == simulated(1_500)


def test_files_are_sent_as_they_are(world, broker):
    """Every line is sent, broken ones too, and a sentence counts those that do not fit the schema."""
    lines = [b'{"customer_id":"C1","date":"2026-01-01"}', b'{"customer_id":"C1"', b'{"customer_id":"C1","date":1}']
    (world.folder / "churn.ndjson").write_bytes(b"\n".join(lines))
    done = world("produce", "--topic", CHURN.name, "--file", "churn.ndjson", "--json")
    assert json.loads(done.stdout) == {"events": {CHURN.name: 3}, "unfit": 2}
    assert "2 of them do not fit the schema of telecom.churn: trainers put those on telecom.churn.dead" in done.stderr
    assert sorted(message.value() or b"" for message in read_all(broker.bootstrap, CHURN.name)) == sorted(lines)


def test_the_pace(world):
    """Three hundred events at two hundred a second take a second and a half."""
    world("produce", "telecom", "--count", "1", "--rate", "max")
    running = world.start("produce", "telecom", "--count", "300")
    wait_for(lambda: held(world.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"]) > 1, what="the first event")
    began = time.monotonic()
    assert running.finish() == 0
    assert 1.0 < time.monotonic() - began < 4.0


def test_sigterm(world, broker):
    """On SIGTERM what was taken in is delivered, and the exit code is 0."""
    running = world.start("produce", "telecom", "--rate", "2000", "--json")
    wait_for(lambda: held(broker.bootstrap) > 500, what="events to flow")
    running.process.terminate()
    assert running.finish() == 0
    told = json.loads(running.said)["events"]
    assert sum(told.values()) == held(broker.bootstrap)
    assert on_topics(broker.bootstrap) == simulated(sum(told.values()))


def test_a_record_that_is_too_large(world, broker):
    """A record beyond the broker's limit is left out, the others arrive, and the exit code is 1 with a sentence."""
    lines = [b'{"customer_id":"C1"}', b'{"customer_id":"%b"}' % (b"x" * 2_000_000), b'{"customer_id":"C2"}']
    (world.folder / "churn.ndjson").write_bytes(b"\n".join(lines))
    done = world("produce", "--topic", CHURN.name, "--file", "churn.ndjson")
    assert done.returncode == 1
    assert done.stderr == "headrace: not delivered, too large for Kafka: 1 events\n"
    assert len(read_all(broker.bootstrap, CHURN.name)) == 2


def test_a_topic_that_is_deleted(world, broker):
    """When Kafka has no such topic any more the producer ends with one sentence, exit code 1."""
    soon = json.dumps({"topic.metadata.propagation.max.ms": 1_000, "topic.metadata.refresh.interval.ms": 500})
    running = world.start("produce", "telecom", "--rate", "1000", HEADRACE_KAFKA__CONFIG=soon)
    wait_for(lambda: held(broker.bootstrap) > 100, what="events to flow")
    delete_topics(broker.bootstrap)
    assert running.finish(timeout_s=60) == 1
    assert running.complained.startswith(f"headrace: Kafka at {broker.bootstrap} refuses the events: ")


def test_stopping_in_an_outage(world, broker):
    """Stopped while the broker is away, the producer waits ten seconds, then says how many events it could not send."""
    running = world.start("produce", "telecom", "--rate", "1000")
    wait_for(lambda: held(broker.bootstrap) > 100, what="events to flow")
    broker.stop()
    wait_for(lambda: "waiting for it" in running.complained, what="a sentence")
    running.process.terminate()
    code = running.finish(timeout_s=20)
    broker.start()
    assert code == 1
    assert f"events were not delivered: {broker.bootstrap} does not answer" in running.complained


def test_an_outage_in_mid_flow(world, broker):
    """A broker that stops for some seconds and comes back has every event once, and two sentences tell of it."""
    running = world.start("produce", "telecom", "--rate", "2000", "--count", "12000")
    wait_for(lambda: held(broker.bootstrap) > 1_000, what="events to flow")
    broker.kill()
    wait_for(lambda: "does not answer; waiting for it" in running.complained, what="a sentence")
    broker.start()
    assert running.finish() == 0
    assert running.complained.count("does not answer") == 1
    assert "answers again" in running.complained
    assert on_topics(broker.bootstrap) == simulated(12_000)


def test_waiting_for_a_broker_at_the_start(world, broker):
    """Without a broker the producer waits with one sentence, and begins when there is one."""
    broker.stop()
    running = world.start("produce", "telecom", "--rate", "max", "--count", "100")
    wait_for(lambda: "waiting for it" in running.complained, what="a sentence")
    broker.start()
    assert running.finish() == 0
    assert running.complained.count("\n") == 2
    assert on_topics(broker.bootstrap) == simulated(100)


def test_stopping_while_there_is_no_broker(world):
    """Ctrl-C ends the waiting for a broker at once."""
    running = world.start("produce", "telecom", HEADRACE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    wait_for(lambda: "waiting for it" in running.complained, what="a sentence")
    running.interrupt()
    assert running.finish(timeout_s=5) == 0
