"""Pinning through the API, with a real MLflow, a real broker and a store of files."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from headrace.local.mlflow import LocalMLflow
from serving.app import create_app
from streaming.kafka import ensure_topics
from streaming.settings import Kafka, Settings
from streaming.snapshots import Pointer, seal_model
from streaming.store import Store
from streaming.topics import CONTROL, MODELS, STATUS
from streaming.usecase import UseCase
from tests.support import fill, unique, wait_for
from trainer.registrar import Registrar
from trainer.registration import CandidateFacts, RegistryFacts
from usecases.telecom.churn import Churn

KEY = "a key of the tests"
BODY = {
    **dict.fromkeys(("avg_data_gb", "avg_minutes", "avg_sms", "recent_data_gb", "recent_minutes", "recent_sms"), 5.0),
    "tenure_days": 30.0,
    "region": "north",
    "current_plan": "basic",
    "current_monthly_spend": 30.0,
}


@pytest.fixture
def churn() -> UseCase:
    """A churn under a name of its own."""
    own = {"name": unique("churn").replace(".", "-"), "__module__": Churn.__module__}
    kind: type[UseCase] = type("Churn", (Churn,), own)
    return kind()


@pytest.fixture
def settings(kafka, mlflow_server: LocalMLflow, tmp_path, monkeypatch) -> Settings:
    """All three servers."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    reached = Kafka(bootstrap_servers=kafka)
    ensure_topics(reached, [MODELS, STATUS, CONTROL], compacted=True)
    return Settings(kafka=reached, store=(tmp_path / "store").as_uri(), signing_key=KEY)  # type: ignore[arg-type]


@pytest.fixture
def api(settings, churn) -> Iterator[TestClient]:
    """An API that is ready."""
    with TestClient(create_app(settings, {churn.name: churn})) as client:
        wait_for(lambda: client.get("/readyz").status_code == 200, timeout_s=30, what="readiness")
        yield client


def publish(settings: Settings, use_case: UseCase, n: int) -> RegistryFacts:
    """A snapshot with its pointer, and what a trainer tells MLflow of it; each has learned other labels."""
    x = use_case.features(dict(BODY), {})
    model = type(use_case).candidates["logistic"]()
    for turn in range(20):
        model.learn_one(x, (turn + n) % 3 == 0 or n == 1)
    now = datetime.now(UTC).isoformat()
    pointer = Pointer(use_case.name, "0", 1, n, "logistic", 20 * n, None, "ROCAUC", 0.6, 0.5 + n / 10, now)
    Store(settings.store).put_new(pointer.object, seal_model(pointer, model, KEY.encode()))
    fill(settings.kafka.bootstrap_servers, MODELS, [(pointer.key, pointer.encode())])
    known = {"ROCAUC": 0.6, "rolling_ROCAUC": pointer.rolling}
    return RegistryFacts(
        learned=pointer.learned,
        candidates=(CandidateFacts("logistic", repr(model), known),),
        pointer=pointer,
        offsets={},
        checkpointed=pointer.learned,
        features=tuple(x),
        example=BODY,
    )


def test_a_registered_version_is_listed_pinned_and_unpinned(settings, churn, api):
    """Its number is in the answers; pruned from the store it comes from MLflow; it answers as before."""
    path, store = f"/v1/{churn.name}", Store(settings.store)
    registrar = Registrar(
        settings.model_copy(update={"register_every_s": 0.0, "register_after": 0}),
        churn,
        "0",
        "life",
        store,
        lambda: None,
    )
    registrar.start()
    facts = publish(settings, churn, 1)
    registrar.offer(facts)
    wait_for(lambda: api.get(f"{path}/models").json()["models"], timeout_s=60, what="version 1")
    before = api.post(f"{path}/predict", json=BODY).json()
    wait_for(
        lambda: api.post(f"{path}/predict", json=BODY).json()["model"]["version"] == 1, timeout_s=20, what="its number"
    )
    second = publish(settings, churn, 2)
    registrar.offer(second)
    wait_for(lambda: len(api.get(f"{path}/models").json()["models"]) == 2, timeout_s=60, what="version 2")
    registrar.close(30)
    newest = api.post(f"{path}/predict", json=BODY).json()
    assert newest["probabilities"] != before["probabilities"]

    first, other = api.get(f"{path}/models").json()["models"]
    assert (first["version"], first["metric"], first["learned"], first["snapshot"]) == (2, 0.7, 40, "1-2")
    assert "champion" in first["aliases"]
    assert other["version_url"].endswith(f"/#/models/{churn.name}/versions/1")
    assert "/#/experiments/" in other["run_url"]

    store.delete(facts.pointer.object)  # type: ignore[union-attr]  # it has one
    assert api.put(f"{path}/models/pin", json={"version": 1}).json() == {"version": 1, "applied": True}
    pinned = api.post(f"{path}/predict", json=BODY).json()
    assert pinned["probabilities"] == before["probabilities"]
    assert (pinned["model"]["version"], pinned["model"]["snapshot"]) == (1, "1-1")
    assert api.delete(f"{path}/models/pin").json() == {"version": None, "applied": True}
    assert api.post(f"{path}/predict", json=BODY).json()["probabilities"] == newest["probabilities"]


def test_an_unknown_version_is_a_404(churn, api):
    """Also while nothing at all is registered."""
    answer = api.put(f"/v1/{churn.name}/models/pin", json={"version": 99})
    assert (answer.status_code, answer.json()["title"]) == (404, "Unknown version")
    assert api.get(f"/v1/{churn.name}/models").json()["models"] == []
