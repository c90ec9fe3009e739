"""Curves, versions and aliases on a real MLflow, through restarts and outages; models loaded back elsewhere."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from headrace.local.kafka import LocalKafka
from headrace.local.mlflow import LocalMLflow
from headrace.local.s3 import LocalS3
from streaming.control import read_latest
from streaming.errors import Fenced
from streaming.pins import wanted_pin
from streaming.settings import Kafka, Settings
from streaming.snapshots import Pointer, seal_model
from streaming.store import Store
from streaming.topics import CONTROL
from streaming.tracking import connect
from streaming.usecase import Features, UseCase
from streaming.versions import Versions
from tests.support import CommandLine, unique, wait_for
from trainer import registrar as registrar_module
from trainer.registrar import Registrar
from trainer.registration import CandidateFacts, RegistryFacts
from usecases.registry import load_use_cases
from usecases.telecom.churn import Churn

KEY = b"a signing key"
LOAD = """
import json, sys
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(json.loads(sys.argv[2])).to_dict("records")))
"""


OUTSIDE = """
from typing import Annotated, NotRequired

from pydantic import Field
from river import compose, linear_model, metrics, preprocessing
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Answer, UseCase, on


class Visit(TypedDict):
    shop: str
    visits: int
    spent: Annotated[float, Field(ge=0)]
    child: bool
    hour: NotRequired[int]


class Left(Visit):
    at: float


LEFT = Topic("shop.left", Left, key="shop", time="at")


def numbers(x):
    return {"visits": x["visits"], "spent": x["spent"], f"child={x['child']}": 1, f"hour={x['hour']}": 1}


class Shop(UseCase):
    name = "NAME"
    topics = (LEFT,)
    request = Visit
    metric = metrics.ROCAUC
    candidates = {
        "logistic": lambda: (
            compose.FuncTransformer(numbers) | preprocessing.StandardScaler() | linear_model.LogisticRegression()
        ),
    }

    @on(LEFT)
    def learn(self, event, profile):
        yield Answer(key=event["shop"], y=True)

    def features(self, event, view):
        return {**event, "hour": event.get("hour", 12)}
"""


def visit(seed: int) -> Features:
    chance = random.Random(seed)
    row = {"shop": "s", "visits": chance.randrange(9), "spent": chance.uniform(0, 9), "child": chance.random() < 0.5}
    return row | ({"hour": chance.randrange(24)} if seed % 2 else {})


def body(seed: int) -> Features:
    chance = random.Random(seed)
    numbers = ("avg_data_gb", "avg_minutes", "avg_sms", "recent_data_gb", "recent_minutes", "recent_sms")
    return {
        **{name: round(chance.uniform(0, 50), 2) for name in numbers},
        "tenure_days": float(chance.randrange(400)),
        "region": "north",
        "current_plan": chance.choice(["basic", "standard", "premium"]),
        "current_monthly_spend": 30.0,
    }


@dataclass
class Life:
    """A trainer as MLflow sees it: real models, snapshots in a real store, facts offered by hand."""

    use_case: UseCase
    uri: str
    store: Store
    learner: str = field(default_factory=lambda: unique("life"))
    epoch: int = 1
    models: dict[str, Any] = field(default_factory=dict)
    learned: int = 0
    n: int = 0
    every_s: float = 0.0
    after: int = 0
    check_owner: Callable[[], None] = lambda: None
    body: Callable[[int], Features] = body
    running: list[Registrar] = field(default_factory=list)

    def start(self) -> Registrar:
        settings = Settings(register_every_s=self.every_s, register_after=0).model_copy(
            update={"mlflow_tracking_uri": self.uri}
        )
        started = Registrar(settings, self.use_case, "0", self.learner, self.store, self.check_owner)
        started.start()
        self.running.append(started)
        return started

    def learn(self, count: int = 50) -> None:
        self.models = self.models or {name: make() for name, make in self.use_case.candidates.items()}
        for seed in range(self.learned, self.learned + count):
            x = self.use_case.features(self.body(seed), {})
            for model in self.models.values():
                model.learn_one(x, seed % 3 == 0)
        self.learned += count

    def facts(self, champion: str = "logistic", *, covered: bool = True, **rolling: float) -> RegistryFacts:
        """A new snapshot of the champion, and all that is known with it."""
        values = dict.fromkeys(self.models, 0.5) | rolling
        self.n += 1
        pointer = Pointer(
            use_case=self.use_case.name,
            shard="0",
            epoch=self.epoch,
            n=self.n,
            candidate=champion,
            learned=self.learned,
            event_time=None,
            metric="ROCAUC",
            value=0.6,
            rolling=values[champion],
            time=datetime.now(UTC).isoformat(),
        )
        self.store.put_new(pointer.object, seal_model(pointer, self.models[champion], KEY))
        candidates = tuple(
            CandidateFacts(name, repr(model), {"ROCAUC": 0.6, "F1": None, "rolling_ROCAUC": values[name]})
            for name, model in self.models.items()
        )
        return RegistryFacts(
            learned=self.learned,
            candidates=candidates,
            pointer=pointer,
            offsets={"telecom.usage": {"0": self.learned}},
            checkpointed=self.learned if covered else self.learned - 1,
            features=("avg_sms", "region"),
            example=self.body(1),
        )


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(registrar_module, "_EVERY_S", 0.05)


@pytest.fixture
def life(mlflow_server: LocalMLflow, tmp_path: Path) -> Iterator[Life]:
    candidates = {name: Churn.candidates[name] for name in ("logistic", "hoeffding")}
    own = {"name": unique("churn").replace(".", "-"), "candidates": candidates, "__module__": Churn.__module__}
    kind = type("Any", (Churn,), own)
    one = Life(kind(), mlflow_server.uri, Store((tmp_path / "store").as_uri()))
    one.learn()
    yield one
    for registrar in one.running:
        registrar.close(30)


def versions_of(life: Life) -> Versions:
    return Versions(connect(life.uri), life.use_case.name)


def runs_of(life: Life) -> dict[str, Any]:
    client = MlflowClient(life.uri)
    experiment = client.get_experiment_by_name(life.use_case.name)
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def steps(life: Life, run: Any, metric: str = "rolling_ROCAUC") -> list[int]:
    return [point.step for point in MlflowClient(life.uri).get_metric_history(run.info.run_id, metric)]


def wait_for_version(life: Life, number: int) -> None:
    """Until it is registered, and everything that goes with it is done."""
    wait_for(lambda: versions_of(life).aliases().get("champion") == number, what=f"version {number}", timeout_s=30)


def test_a_run_for_each_candidate_tells_its_metrics_by_examples_learned(life):
    registrar = life.start()
    registrar.offer(life.facts())
    wait_for(lambda: len(runs_of(life)) == 2, what="two runs")
    life.learn()
    registrar.offer(life.facts())
    wait_for(lambda: steps(life, runs_of(life)["hoeffding"]) == [50, 100], what="two points")
    run = runs_of(life)["hoeffding"]
    assert run.data.params["model"] == repr(life.models["hoeffding"])
    assert run.data.params["metric"] == "ROCAUC"
    assert run.data.params["features"] == "avg_sms, region"
    assert run.data.metrics["rolling_ROCAUC"] == 0.5
    assert "F1" not in run.data.metrics  # it has no value yet


def test_the_first_version_waits_for_a_checkpoint_and_tells_where_it_comes_from(life):
    registrar = life.start()
    waiting = life.facts(covered=False)
    registrar.offer(waiting)
    wait_for(lambda: runs_of(life), what="the runs")
    assert versions_of(life).all() == []
    life.learn()
    registrar.offer(life.facts(covered=False))
    wait_for_version(life, 1)
    (version,) = versions_of(life).all()
    assert version.object == waiting.pointer.object
    assert version.aliases == ("champion",)
    assert version.run == runs_of(life)["logistic"].info.run_id
    told = MlflowClient(life.uri).get_model_version(life.use_case.name, "1").tags
    told.pop("headrace.code_version")
    assert told == {
        "headrace.object": waiting.pointer.object,
        "headrace.snapshot": "1-1",
        "headrace.epoch": "1",
        "headrace.learned": "50",
        "headrace.offsets": '{"telecom.usage":{"0":50}}',
        "headrace.candidate": "logistic",
        "headrace.metric": "ROCAUC",
        "headrace.value": "0.6",
        "headrace.rolling": "0.5",
        "headrace.library": "river 0.26.1",
        "headrace.why": "the first",
        "headrace.learner": life.learner,
    }


def test_aliases_follow_the_champion(life):
    registrar = life.start()
    for number, (champion, rolling) in enumerate((("logistic", 0.6), ("logistic", 0.7), ("hoeffding", 0.8)), 1):
        life.learn()
        registrar.offer(life.facts(champion, **{champion: rolling}))
        wait_for_version(life, number)
    wait_for(lambda: "challenger" in versions_of(life).aliases(), what="the challenger")
    assert versions_of(life).aliases() == {"champion": 3, "previous": 2, "challenger": 2}


def test_a_version_tells_the_change_that_made_its_candidate_champion(life):
    registrar = life.start()
    registrar.offer(life.facts("logistic"))
    wait_for_version(life, 1)
    life.learn()
    change = {"number": 1, "from": "logistic", "to": "hoeffding", "why": "better", "p": 0.001}
    registrar.offer(replace(life.facts("hoeffding", hoeffding=0.8), change=change))
    wait_for_version(life, 2)
    first, second = (MlflowClient(life.uri).get_model_version(life.use_case.name, str(n)).tags for n in (1, 2))
    assert (first["headrace.why"], "headrace.change" in first) == ("the first", False)
    assert second["headrace.why"] == "the champion changed"
    assert json.loads(second["headrace.change"]) == change


def test_a_run_that_ends_before_enough_examples_registers_what_there_is(life):
    life.after = 1_000_000
    registrar = life.start()
    registrar.offer(life.facts())
    registrar.close(60)
    (version,) = versions_of(life).all()
    assert version.learned == life.learned


def test_a_snapshot_that_is_no_better_is_not_registered(life):
    registrar = life.start()
    registrar.offer(life.facts(logistic=0.7))
    wait_for_version(life, 1)
    life.learn()
    registrar.offer(life.facts(logistic=0.7))
    wait_for(lambda: steps(life, runs_of(life)["logistic"], "ROCAUC")[-1] == 100, what="the second visit")
    registrar.close(30)
    assert len(versions_of(life).all()) == 1


def test_after_a_restart_the_runs_go_on_and_a_new_life_has_its_own(life):
    first = life.start()
    first.offer(life.facts(logistic=0.9))
    wait_for_version(life, 1)
    first.close(30)
    assert {run.info.status for run in runs_of(life).values()} == {"FINISHED"}
    before = {name: run.info.run_id for name, run in runs_of(life).items()}
    life.epoch, life.n = 2, 0
    life.learn()
    second = life.start()
    second.offer(life.facts(logistic=0.8))
    wait_for(lambda: steps(life, runs_of(life)["hoeffding"]) == [50, 100], what="the curve going on")
    second.close(30)
    assert {name: run.info.run_id for name, run in runs_of(life).items()} == before
    assert len(versions_of(life).all()) == 1  # it was not better
    life.learner, life.epoch = unique("life"), 3
    third = life.start()
    third.offer(life.facts(logistic=0.7))
    wait_for_version(life, 2)
    experiment = MlflowClient(life.uri).get_experiment_by_name(life.use_case.name)
    assert experiment is not None
    assert len(MlflowClient(life.uri).search_runs([experiment.experiment_id])) == 4


def test_one_that_was_claimed_over_moves_nothing(life):
    def check_owner() -> None:
        raise Fenced("another trainer has taken over")

    life.check_owner = check_owner
    registrar = life.start()
    registrar.offer(life.facts())
    wait_for(lambda: not registrar.alive, what="its end")
    assert versions_of(life).all() == []


def test_mlflow_away_from_the_start_gets_all_when_it_comes(life, tmp_path, capsys):
    server = LocalMLflow(tmp_path / "late")
    life.uri = server.uri
    registrar = life.start()
    for _ in range(3):
        registrar.offer(life.facts())
        life.learn()
    wait_for(lambda: registrar.points > 0, what="points that wait")
    with server:
        registrar.offer(life.facts())
        wait_for_version(life, 1)
        registrar.close(30)
        assert len(versions_of(life).all()) == 1
        assert len(steps(life, runs_of(life)["logistic"])) >= 2
    said = capsys.readouterr().out
    assert said.count("MLflow does not answer") == 1
    assert said.count("MLflow answers again") == 1


def test_through_an_outage_nothing_is_lost_or_doubled(life, mlflow_server):
    registrar = life.start()
    registrar.offer(life.facts(logistic=0.6))
    wait_for_version(life, 1)
    mlflow_server.stop()
    try:
        life.learn()
        registrar.offer(life.facts(logistic=0.7))
        wait_for(lambda: registrar.points > 0, what="points that wait")
    finally:
        mlflow_server.start()
    wait_for_version(life, 2)
    registrar.close(30)
    found = steps(life, runs_of(life)["hoeffding"])
    assert found == [50, 100]
    assert len({one.object for one in versions_of(life).all()}) == len(versions_of(life).all()) == 2


@pytest.mark.parametrize("cut", ["create_model_version", "set_registered_model_alias", "log_model_artifacts"])
def test_an_attempt_that_was_cut_short_is_finished_by_the_next(life, monkeypatch, cut):
    """Its last call landed, but the answer was lost."""
    whole = getattr(MlflowClient, cut)
    cuts: list[str] = []

    def once(*arguments: Any, **named: Any) -> Any:
        found = whole(*arguments, **named)
        if not cuts:
            cuts.append(cut)
            raise ConnectionError("the answer was lost")
        return found

    monkeypatch.setattr(MlflowClient, cut, once)
    registrar = life.start()
    registrar.offer(life.facts())
    wait_for_version(life, 1)
    life.learn()
    registrar.offer(life.facts())
    registrar.close(30)
    assert cuts
    assert [one.aliases for one in versions_of(life).all()] == [("champion",)]


@pytest.fixture(scope="module")
def shop(mlflow_server, tmp_path_factory) -> Life:
    """A life of a use case outside the project, with one version."""
    folder = tmp_path_factory.mktemp("shop")
    name = unique("shop").replace(".", "-")
    (folder / "shop.py").write_text(OUTSIDE.replace("NAME", name))
    use_case = load_use_cases(Settings(use_cases=str(folder / "shop.py")))[name]
    life = Life(use_case, mlflow_server.uri, Store((folder / "store").as_uri()), body=visit)
    life.learn(200)
    registrar = life.start()
    registrar.offer(life.facts())
    wait_for_version(life, 1)
    registrar.close(30)
    return life


def load(life: Life, rows: list[Features], key: bytes | None = KEY) -> subprocess.CompletedProcess[str]:
    """What a fresh process, somewhere else, makes of the champion."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    source = sys.modules[type(life.use_case).__module__].__file__
    environment = {**kept, "MLFLOW_TRACKING_URI": life.uri, "HEADRACE_USE_CASES": str(source)}
    if key is not None:
        environment["HEADRACE_SIGNING_KEY"] = key.decode()
    return subprocess.run(
        [sys.executable, "-P", "-c", LOAD, f"models:/{life.use_case.name}@champion", json.dumps(rows)],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fresh_process_answers_as_the_model_does(shop):
    rows = [visit(seed) for seed in range(1_000, 1_010)]
    rows[0]["spent"] = 3  # the API takes a whole number too
    run = load(shop, rows)
    assert run.returncode == 0, run.stderr
    model, xs = shop.models["logistic"], [shop.use_case.features(row, {}) for row in rows]
    assert json.loads(run.stdout) == [
        {"prediction": model.predict_one(x)}
        | {f"probability_{label}": share for label, share in model.predict_proba_one(x).items()}
        for x in xs
    ]


@pytest.mark.parametrize(
    ("key", "words"), [(b"another", "its signature is wrong"), (None, "HEADRACE_SIGNING_KEY is not")]
)
def test_without_the_right_key_it_is_refused(shop, key, words):
    run = load(shop, [visit(1)], key)
    assert run.returncode != 0
    assert words in run.stderr


def test_a_changed_artifact_is_refused(shop, mlflow_server):
    name = shop.use_case.name.encode()
    (file,) = (p for p in mlflow_server.home.rglob("snapshot.model") if name in p.read_bytes())
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[-10] ^= 1
    file.write_bytes(changed)
    try:
        run = load(shop, [visit(1)])
    finally:
        file.write_bytes(whole)
    assert run.returncode != 0
    assert "its body is not the one that was written" in run.stderr


def test_the_registered_model_has_signature_and_example(shop, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.uri)
    info = mlflow.models.get_model_info(f"models:/{shop.use_case.name}/1")
    assert info.signature is not None
    assert info.signature.inputs.to_dict() == [
        {"type": "string", "name": "shop", "required": True},
        {"type": "any", "name": "visits", "required": True},
        {"type": "any", "name": "spent", "required": True},
        {"type": "boolean", "name": "child", "required": True},
        {"type": "any", "name": "hour", "required": False},
    ]
    assert info.saved_input_example_info is not None


def test_the_snapshot_of_a_version_is_the_object_that_was_in_the_store(shop):
    version = versions_of(shop).newest()
    assert version is not None
    assert versions_of(shop).snapshot(version.number) == shop.store.get(version.object)


@pytest.fixture
def at_shop(cli: CommandLine, shop: Life, kafka: str) -> CommandLine:
    """The command line of who runs the shop."""
    source = sys.modules[type(shop.use_case).__module__].__file__
    cli.environment |= {
        "MLFLOW_TRACKING_URI": shop.uri,
        "HEADRACE_USE_CASES": str(source),
        "HEADRACE_STORE": shop.store.url,
        "HEADRACE_SIGNING_KEY": KEY.decode(),
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka,
    }
    return cli


def test_models_lists_versions_with_their_metric_and_pages(at_shop, shop):
    told = json.loads(at_shop("models", shop.use_case.name, "--json").stdout)
    assert told["metric"] == "ROCAUC"
    (one,) = told["models"]
    assert (one["version"], one["aliases"], one["candidate"], one["rolling"]) == (1, ["champion"], "logistic", 0.5)
    assert one["version_url"] == f"{shop.uri}/#/models/{shop.use_case.name}/versions/1"
    assert one["run_url"].endswith(one["run"])
    lines = at_shop("models", shop.use_case.name).stdout.splitlines()
    assert lines[0].split() == ["version", "aliases", "candidate", "rolling", "ROCAUC", "learned", "registered"]
    assert lines[1].split()[:5] == ["1", "champion", "logistic", "0.5000", "200"]


def test_a_pinned_version_is_copied_to_the_store_and_wanted_until_it_is_unpinned(at_shop, shop, kafka):
    name = shop.use_case.name
    run = at_shop("models", name, "pin", "1")
    assert (run.returncode, run.stdout) == (0, f"serving of {name} keeps to version 1\n"), run.stderr
    pin = wanted_pin(read_latest(Kafka(bootstrap_servers=kafka), CONTROL), name)
    assert pin is not None
    assert pin.version == 1
    assert shop.store.get(pin.object) == versions_of(shop).snapshot(1)
    assert at_shop("models", name, "unpin").returncode == 0
    assert wanted_pin(read_latest(Kafka(bootstrap_servers=kafka), CONTROL), name) is None


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "sentence"),
    [
        (("pin", "99"), {}, 1, "there is no version 99 of NAME; `headrace models NAME` lists those there are"),
        (("pin", "1"), {"HEADRACE_SIGNING_KEY": "another"}, 1, "version 1 of NAME cannot be served: its signature is"),
        (("pin",), {}, 2, "pin wants a version: headrace models USE_CASE pin V"),
        ((), {"MLFLOW_TRACKING_URI": ""}, 1, "MLFLOW_TRACKING_URI is not set"),
        ((), {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, 1, "MLflow at http://127.0.0.1:9 does not answer"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(at_shop, shop, arguments, environment, code, sentence):
    run = at_shop("models", shop.use_case.name, *arguments, **environment)
    assert run.returncode == code
    assert sentence.replace("NAME", shop.use_case.name) in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_trainer_registers_what_it_has_learned_and_goes_on_after_a_restart(cli, mlflow_server, tmp_path):
    with LocalKafka(tmp_path / "kafka") as broker:
        cli.environment |= {
            "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
            "MLFLOW_TRACKING_URI": mlflow_server.uri,
            "HEADRACE_REGISTER_EVERY_S": "0",
            "HEADRACE_REGISTER_MAX_AGE_S": "0.1",
        }
        learned = []
        for seed in ("1", "2"):
            assert cli("produce", "telecom", "--rate", "max", "--count", "3000", "--seed", seed).returncode == 0
            run = cli("train", "plan", "--until-end")
            assert run.returncode == 0, run.stderr
            learned.append(json.loads(run.stdout.splitlines()[-1])["learned"])
    client = MlflowClient(mlflow_server.uri)
    experiment = client.get_experiment_by_name("plan")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["forest", "hoeffding", "logistic"]
    for run in runs:
        steps = [one.step for one in client.get_metric_history(run.info.run_id, "rolling_MacroF1")]
        assert set(learned) <= set(steps)
    versions = Versions(connect(mlflow_server.uri), "plan").all()
    assert len({one.epoch for one in versions}) == 2
    assert max(one.learned for one in versions) <= learned[-1]
    offsets = json.loads(client.get_model_version_by_alias("plan", "champion").tags["headrace.offsets"])
    assert 0 < sum(offsets["telecom.usage"].values()) <= 6_000


def test_artifacts_may_be_kept_on_s3_where_only_the_server_goes(life, tmp_path):
    with LocalS3(tmp_path) as s3:
        place = s3.url("mlflow")
        with LocalMLflow(tmp_path, artifacts=place, environment=s3.environment) as server:
            life.uri = server.uri
            registrar = life.start()
            registrar.offer(life.facts())
            wait_for_version(life, 1)
            registrar.close(30)
            assert versions_of(life).snapshot(1) == life.store.get(f"models/{life.use_case.name}/0/1-1.model")
        assert not (tmp_path / "mlflow" / "artifacts").exists()
