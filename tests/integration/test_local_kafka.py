import pytest
from confluent_kafka import KafkaError, Producer

from headrace.local.kafka import LocalKafka
from headrace.local.ports import free_port
from streaming.errors import HeadraceError
from streaming.kafka import wait_for_kafka
from streaming.settings import Kafka
from tests.support import all_gone, family, fill, make_topic, read_all, unique


@pytest.fixture
def home(tmp_path):
    return tmp_path / ".headrace"


def test_records_survive_a_stop_a_kill_and_another_port(home):
    broker = LocalKafka(home)
    with broker:
        make_topic(broker.bootstrap, "kept", partitions=3)
        fill(broker.bootstrap, "kept", [(f"key {n}", b"first") for n in range(10)])
        broker.stop()
        broker.start()
        fill(broker.bootstrap, "kept", [(f"key {n}", b"second") for n in range(10)])
        broker.kill()
        broker.start()
        assert len(read_all(broker.bootstrap, "kept")) == 20
    with LocalKafka(home) as moved:
        assert moved.port != broker.port
        assert {record.value() for record in read_all(moved.bootstrap, "kept")} == {b"first", b"second"}


def test_the_broker_listens_on_this_machine_only_and_leaves_no_process(home):
    with LocalKafka(home) as broker:
        processes = family(broker.child.pid or 0)
        listening = [c.laddr for p in processes for c in p.net_connections() if c.status == "LISTEN"]
        assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
        assert broker.port in {address.port for address in listening}
    assert all_gone(processes)


def test_a_port_in_use_is_told_with_the_brokers_own_words(home, kafka):
    port = int(kafka.rpartition(":")[2])
    broker = LocalKafka(home, port)
    with pytest.raises(HeadraceError, match=rf"Kafka did not start .*{port}: Address already in use.*logs/kafka.log"):
        broker.start()


def test_a_second_broker_in_the_same_folder_is_told_that_the_folder_is_used(home):
    with LocalKafka(home) as broker:
        wait_for_kafka(Kafka(bootstrap_servers=broker.bootstrap))
        with pytest.raises(HeadraceError, match=r"Kafka did not start: another broker uses .*kafka/data"):
            LocalKafka(home).start()


def test_a_format_that_was_cut_short_is_done_again(home):
    (home / "kafka" / "data").mkdir(parents=True)
    (home / "kafka" / "data" / "meta.properties").write_text("half")
    with LocalKafka(home) as broker:
        wait_for_kafka(Kafka(bootstrap_servers=broker.bootstrap))
        assert (home / "kafka" / "data" / "meta.properties").read_text() != "half"


def test_topics_are_never_made_by_accident(kafka):
    topic = unique("nobody-made-it")
    told: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": kafka, "topic.metadata.propagation.max.ms": 100})
    producer.produce(topic, b"value", on_delivery=lambda error, message: told.append(error))
    producer.flush(30)
    assert [error.code() for error in told if error] == [KafkaError.UNKNOWN_TOPIC_OR_PART]


def test_a_folder_with_odd_characters_in_its_name_does_as_well(tmp_path):
    with LocalKafka(tmp_path / "a b, c=d:é" / ".headrace", free_port()) as broker:
        make_topic(broker.bootstrap, "odd")
        fill(broker.bootstrap, "odd", [("key", b"value")])
        assert [record.value() for record in read_all(broker.bootstrap, "odd")] == [b"value"]
