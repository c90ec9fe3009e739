"""The whole product as `headrace up` runs it: one stack for all tests of this file, in their order."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import polars as pl
import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition
from mlflow import MlflowClient
from mlflow.entities import ViewType

from streaming.tracking import connect
from tests.support import CommandLine, Running, all_gone, family, wait_for

USE_CASES = "plan", "churn"
FOLLOW_S = 2.0
LOADS_CHAMPION = """
import json, sys, mlflow
model = mlflow.pyfunc.load_model("models:/plan@champion")
print(json.dumps(model.predict([json.loads(sys.argv[1])]).to_dict("records")[0]))
"""


@dataclass
class Product:
    """A running stack."""

    cli: CommandLine
    up: Running
    addresses: dict[str, str]
    http: httpx2.Client

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def put(self, path: str, **body: Any) -> Any:
        return self.http.put(path, json=body).raise_for_status().json()

    def ask(self, use_case: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.post(f"/v1/{use_case}/predict", json=body).raise_for_status().json()
        return answer

    def learned(self, use_case: str) -> int:
        return int(self.get(f"/v1/{use_case}/metrics")["learned"])

    def child(self, *words: str) -> psutil.Process | None:
        """The process whose command line has these words, once it is there."""
        for process in family(self.up.process.pid):
            try:
                if set(words) <= set(process.cmdline()):
                    return process
            except psutil.NoSuchProcess:
                continue
        return None


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    cli = CommandLine(tmp_path_factory.mktemp("product"))
    try:
        assert cli("new", "late-parcel").returncode == 0
        cli.environment["HEADRACE_USE_CASES"] = "late_parcel.py"
        up = cli.start("up", *USE_CASES, "late-parcel", "--json")

        def line() -> str:
            assert up.process.poll() is None, up.complained
            return up.said

        addresses = json.loads(wait_for(line, timeout_s=150, what="the line of addresses"))
        with httpx2.Client(base_url=addresses["api"], timeout=20) as http:
            yield Product(cli, up, addresses, http)
    finally:
        cli.close()


def champion(product: Product, use_case: str = "plan") -> int | None:
    """The version that has the alias, as the API lists it."""
    models = product.get(f"/v1/{use_case}/models")["models"]
    return next((model["version"] for model in models if "champion" in model["aliases"]), None)


def archived(product: Product, topic: str = "telecom.usage") -> pl.DataFrame:
    """The rows of a topic; none before the first commit."""
    table = product.cli.folder / ".headrace" / "store" / "archive" / topic
    return pl.scan_delta(str(table)).collect() if (table / "_delta_log").exists() else pl.DataFrame()


def test_the_addresses_of_every_part_are_told(product: Product):
    shown = {name for name in product.addresses if name.startswith("metrics of ")}
    assert shown == {"metrics of archive", *(f"metrics of train {name}" for name in (*USE_CASES, "late-parcel"))}
    servers = {"kafka", "valkey", "mlflow", "api", "docs"} | ({"prometheus"} if shutil.which("prometheus") else set())
    assert product.addresses.keys() - shown == servers
    assert httpx2.get(product.addresses["docs"]).status_code == 200
    for name in shown:  # the archive may still be starting: nothing waits for it
        wait_for(partial(_answers, product.addresses[name]), what=name)


def _answers(address: str) -> bool:
    try:
        return httpx2.get(address).is_success
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_model_answers(product: Product, use_case: str):
    body = product.get(f"/v1/{use_case}/sample")

    def by_model() -> dict[str, Any] | None:
        response = product.http.post(f"/v1/{use_case}/predict", json=body)
        answer: dict[str, Any] = response.json()
        return answer if response.status_code == 200 and answer["source"] == "model" else None

    answer = wait_for(by_model, what=f"an answer by a model of {use_case}")
    assert answer["prediction"] is not None
    assert answer["model"]["learned"] > 0


def test_a_customer_is_known_by_the_key_alone(product: Product):
    wait_for(lambda: archived(product).height > 0, what="the archive of telecom.usage")
    customer = archived(product).sort("_kafka_time")["customer_id"][0]
    body = {"customer_id": customer}
    wait_for(lambda: product.http.post("/v1/plan/predict", json=body).is_success, what="the views to be there")
    assert product.ask("plan", body)["prediction"] in {"basic", "standard", "premium"}


def test_what_headrace_new_wrote_is_learned_served_archived_registered_and_measured(product: Product):
    """A use case from outside: nothing of the project was touched."""
    sent = product.cli("produce", "--topic", "late-parcel.events", "--file", "late_parcel.csv")
    assert sent.returncode == 0, sent.stderr
    wait_for(lambda: product.learned("late-parcel") == 600, what="600 deliveries to be learned")
    body = {"shop": "station", "distance_km": 4.0, "items": 3}
    wait_for(lambda: product.http.post("/v1/late-parcel/predict", json=body).is_success, what="an answer by key")
    answer = product.ask("late-parcel", body)
    assert answer["source"] == "model"
    assert 25 < answer["prediction"] < 50  # 21 minutes to pack, 13 on the way, 2 for the things
    wait_for(lambda: archived(product, "late-parcel.events").height == 600, what="the archive of the deliveries")
    wait_for(lambda: champion(product, "late-parcel"), what="a registered version")
    assert 'headrace_predictions_total{source="model",use_case="late-parcel"}' in product.http.get("/metrics").text


def test_training_stops_within_two_seconds_while_the_api_answers_and_goes_on_again(product: Product):
    body = product.get("/v1/churn/sample")
    wait_for(lambda: product.learned("churn") > 0, what="an example for churn")
    assert product.put("/v1/churn/training", enabled=False) == {"enabled": False, "applied": False}
    time.sleep(FOLLOW_S)  # the promise itself
    learned, until = product.learned("churn"), time.monotonic() + FOLLOW_S
    while time.monotonic() < until:
        assert product.ask("churn", body)["source"] == "model"
        assert product.learned("churn") == learned
    assert product.put("/v1/churn/training", enabled=True)["enabled"] is True
    wait_for(lambda: product.learned("churn") > learned, what="learning again")


def test_the_archive_has_every_event_once(product: Product):
    ends = kafka_ends(product.addresses["kafka"], "telecom.usage")

    def complete() -> bool:
        rows = archived(product)
        last = dict(rows.group_by("_partition").agg(pl.col("_offset").max()).iter_rows()) if rows.height else {}
        return all(last.get(part, -1) >= end - 1 for part, end in ends.items())

    wait_for(complete, what="all events in the archive")
    rows = archived(product)
    seen = pl.concat(rows.filter(pl.col("_partition") == part, pl.col("_offset") < end) for part, end in ends.items())
    assert seen.height == sum(ends.values()) > 0
    assert rows.select("_partition", "_offset").n_unique() == rows.height


def kafka_ends(bootstrap: str, topic: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    try:
        parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {part: consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10)[1] for part in parts}
    finally:
        consumer.close()


def test_mlflow_has_an_experiment_per_use_case_a_run_per_candidate_and_a_champion(product: Product):
    client = connect(product.addresses["mlflow"])
    wait_for(lambda: champion(product), what="a registered champion")
    named = {experiment.name: experiment for experiment in client.search_experiments(ViewType.ACTIVE_ONLY)}
    assert set(USE_CASES) <= set(named)
    runs = client.search_runs([named["plan"].experiment_id])
    candidates = set(product.get("/v1/plan/metrics")["candidates"])
    assert len(runs) == len(candidates)
    for run in runs:
        wait_for(lambda run=run: len(steps(client, run.info.run_id)) > 1, what=f"a curve of {run.info.run_name}")  # type: ignore[misc]
    assert client.get_model_version_by_alias("plan", "champion").version == str(champion(product))


def steps(client: MlflowClient, run: str) -> set[int]:
    return {point.step for point in client.get_metric_history(run, "MacroF1")}


def test_the_champion_in_another_process_answers_as_the_api_does_while_that_version_is_pinned(product: Product):
    wait_for(lambda: champion(product), what="a registered champion")
    product.put("/v1/plan/training", enabled=False)  # soon no other version becomes champion
    body = product.get("/v1/plan/sample")
    version, answer, predicted = compared(product, body)
    while champion(product) != version:  # one that was on its way has become champion meanwhile
        version, answer, predicted = compared(product, body)
    assert predicted["prediction"] == answer["prediction"]
    for name, probability in answer["probabilities"].items():
        assert predicted[f"probability_{name}"] == probability
    assert product.http.delete("/v1/plan/models/pin").json()["version"] is None
    product.put("/v1/plan/training", enabled=True)


def compared(product: Product, body: dict[str, Any]) -> tuple[int | None, dict[str, Any], dict[str, Any]]:
    """The champion's version, the API's answer while it is pinned, and that of `models:/plan@champion` elsewhere."""
    version = champion(product)
    assert product.put("/v1/plan/models/pin", version=version)["version"] == version
    wait_for(lambda: product.ask("plan", body)["model"]["version"] == version, what="the pin")
    answer = product.ask("plan", body)
    loaded = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", LOADS_CHAMPION, json.dumps(body)],
        cwd=product.cli.folder,
        env={"PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": local_env(product)["MLFLOW_TRACKING_URI"]},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    return version, answer, json.loads(loaded.stdout.splitlines()[-1])


def local_env(product: Product) -> dict[str, str]:
    lines = (product.cli.folder / ".headrace" / "local.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("words", [("archive", "telecom.usage"), ("serve",), ("headrace.local.mlflow_server",)])
def test_a_part_that_is_killed_comes_back(product: Product, words: tuple[str, ...]):
    killed = wait_for(lambda: product.child(*words), what=f"the process of {words[0]}")
    killed.kill()
    wait_for(lambda: all_gone([killed]), what="its end")
    wait_for(lambda: product.child(*words), what=f"{words[0]} again")
    assert "ended (SIGKILL)" in product.up.complained


def test_everything_goes_on_after_that(product: Product):
    wait_for(lambda: answers(product, "/readyz"), what="the API")
    learned, rows = product.learned("plan"), archived(product)
    assert product.ask("plan", product.get("/v1/plan/sample"))["source"] == "model"
    wait_for(lambda: product.learned("plan") > learned, what="learning")
    wait_for(lambda: answers(product, "/v1/plan/models"), what="MLflow")
    wait_for(lambda: archived(product).height > rows.height, what="more rows in the archive")
    after = archived(product)
    assert after.select("_partition", "_offset").n_unique() == after.height


def answers(product: Product, path: str) -> bool:
    try:
        return product.http.get(path).status_code == 200
    except httpx2.TransportError:
        return False


def test_ctrl_c_leaves_no_process(product: Product):
    processes = family(product.up.process.pid)
    assert len(processes) >= 9, "up, kafka, valkey, mlflow, two trainers, the API, the producer, the archive"
    product.up.interrupt()
    assert product.up.finish() == 0
    wait_for(
        lambda: all_gone(processes), timeout_s=10, what="the end of all, a child that writes a checkpoint included"
    )
