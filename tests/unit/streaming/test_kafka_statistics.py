"""What a client of Kafka tells of itself, and when it is believed no longer."""

import orjson
import pytest
from prometheus_client import REGISTRY

from streaming import kafka_statistics, metrics
from streaming.kafka_statistics import read, statistics

BROKER = {"nodeid": 1, "state": "UP"}


def told(coordinator: str | None = None) -> str:
    group = {"GroupCoordinator": {"nodeid": -1, "state": coordinator}} if coordinator else {}
    return orjson.dumps({"brokers": {"a:1/1": BROKER, **group}}).decode()


def brokers_up(client: str) -> float | None:
    return REGISTRY.get_sample_value("headrace_kafka_brokers_up", {"client": client})


@pytest.fixture(autouse=True)
def _alone():
    metrics.KAFKA_BROKERS.clear()
    kafka_statistics._heard.clear()
    yield
    metrics.KAFKA_BROKERS.clear()


@pytest.mark.parametrize(
    ("coordinator", "up"), [(None, 1), ("INIT", 1), ("UP", 1), ("APIVERSION_QUERY", 0), ("DOWN", 0)]
)
def test_a_member_of_a_group_reaches_nobody_once_its_coordinator_does_not_answer(coordinator, up):
    """A broker that hangs looks connected for another minute."""
    assert read(told(coordinator), member=True).brokers_up == up
    assert read(told(coordinator)).brokers_up == 1


def test_a_client_that_tells_nothing_any_more_shows_nothing(monkeypatch):
    """What it said last would hide that Kafka is away."""
    now_s = [100.0]
    monkeypatch.setattr("streaming.kafka_statistics.time.monotonic", lambda: now_s[0])
    seat, reader = statistics("seat", member=True)["stats_cb"], statistics("reader")["stats_cb"]
    reader(told())
    seat(told())
    assert (brokers_up("reader"), brokers_up("seat")) == (1, 1)
    now_s[0] += 15
    seat(told("CONNECT"))
    assert (brokers_up("reader"), brokers_up("seat")) == (1, 0)
    now_s[0] += 15
    seat(told("CONNECT"))
    assert (brokers_up("reader"), brokers_up("seat")) == (None, 0)
