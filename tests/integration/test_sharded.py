"""A sharded use case against a real broker: a learner for each partition, moved between trainers by its checkpoint."""

import itertools
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from headrace.local.ports import LOOPBACK, free_port
from streaming.control import read_status
from streaming.partition import partition_of
from streaming.settings import Kafka
from tests.support import CommandLine, Running, fill, make_topic, unique, wait_for

DATA = Path(__file__).parent.parent / "data"
METERS = 40


@dataclass
class Case:
    """A use case of this test alone, in a file, with its topic."""

    name: str
    topic: str
    file: Path


@pytest.fixture
def case(tmp_path, kafka, cli) -> Case:
    """The meters, with three partitions."""
    name = unique("meters").replace(".", "-")
    file = tmp_path / "meters.py"
    file.write_text((DATA / "meters.py").read_text().replace("TOPIC.", f"{name}.").replace("NAME", name))
    cli.environment |= {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "HEADRACE_USE_CASES": str(file),
        "HEADRACE_SIGNING_KEY": "test",
        "HEADRACE_CHECKPOINT_EVERY_S": "0.3",
    }
    make_topic(kafka, f"{name}.readings", partitions=3)
    return Case(name, f"{name}.readings", file)


def readings(seed: int = 1) -> Iterator[dict[str, Any]]:
    """One reading after the other, in the order of their time."""
    dice = random.Random(seed)
    for hour in itertools.count(1_700_000_000):
        cold, number = dice.uniform(0, 30), dice.randrange(METERS)
        yield {"meter": f"m{number}", "hour": hour, "cold": cold, "heat": cold * (1 + number % 3) + dice.gauss(0, 1)}


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    file = folder / "readings.ndjson"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def numbers(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "offsets"}


def evaluated(cli: CommandLine, case: Case, rows: list[dict[str, Any]]) -> dict[str, Any]:
    run = cli("evaluate", case.name, "--file", f"{case.topic}={write(cli.folder, rows)}")
    assert run.returncode == 0, run.stderr
    return last_json(run.stdout)


def test_each_partition_has_a_learner_and_the_summary_is_that_of_all(case, kafka, cli):
    rows = list(itertools.islice(readings(), 2_000))
    fill(kafka, case.topic, [(row["meter"], orjson.dumps(row)) for row in rows])
    run = cli("train", case.name, "--until-end")
    assert run.returncode == 0, run.stderr
    found = last_json(run.stdout)
    assert found["learned"] == 2_000
    counts = {str(part): 0 for part in range(3)}
    for row in rows:
        counts[str(partition_of(row["meter"].encode(), 3))] += 1
    assert found["offsets"] == {case.topic: counts}
    assert numbers(found) == numbers(evaluated(cli, case, rows))
    kept = cli.folder / ".headrace" / "store" / "checkpoints" / case.name
    assert sorted(path.name for path in kept.iterdir()) == ["0", "1", "2"]


class Writing(threading.Thread):
    """A producer that goes on until it is told to stop."""

    def __init__(self, bootstrap: str, topic: str, rate: float) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.stop = threading.Event()
        self._topic, self._rate = topic, rate
        self._producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})

    def run(self) -> None:
        for row in readings(seed=2):
            self._producer.produce(self._topic, key=row["meter"], value=orjson.dumps(row))
            self._producer.poll(0)
            self.rows.append(row)
            if self.stop.wait(1 / self._rate):
                break
        assert self._producer.flush(30) == 0


def learned(kafka: str, case: Case) -> int:
    return sum(status["learned"] for status in read_status(Kafka(bootstrap_servers=kafka), case.name))


def learned_more(kafka: str, case: Case, before: int) -> bool:
    return learned(kafka, case) > before


def at_work(copy: Running) -> bool:
    assert copy.process.poll() is None, copy.complained
    return " learning " in copy.complained


@pytest.mark.timeout(300)
def test_trainers_come_and_go_and_every_event_is_learned_once_by_its_shard(case, kafka, cli):
    writing = Writing(kafka, case.topic, rate=300)
    writing.start()
    chance, copies = random.Random(5), [cli.start("train", case.name) for _ in range(2)]
    try:
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            wait_for(lambda: all(at_work(copy) for copy in copies), timeout_s=120, what="a shard for each copy")
            before = learned(kafka, case)
            wait_for(partial(learned_more, kafka, case, before), what="learning")
            time.sleep(chance.random())  # at any moment
            leaving = copies.pop(chance.randrange(2))
            leaving.process.send_signal(how)
            assert leaving.finish() == (0 if how == signal.SIGTERM else -signal.SIGKILL)
            copies.append(cli.start("train", case.name))
    finally:
        writing.stop.set()
        writing.join()
    wait_for(lambda: all(at_work(copy) for copy in copies), timeout_s=120, what="a shard for each copy")
    for copy in copies:
        copy.process.send_signal(signal.SIGTERM)
        assert copy.finish() == 0, copy.complained
    run = cli("train", case.name, "--until-end")
    assert run.returncode == 0, run.stderr
    assert numbers(last_json(run.stdout)) == numbers(evaluated(cli, case, writing.rows))


def test_an_answer_comes_from_the_model_of_the_keys_shard(case, kafka, cli):
    rows = list(itertools.islice(readings(), 1_000))
    fill(kafka, case.topic, [(row["meter"], orjson.dumps(row)) for row in rows])
    trainer = cli.start("train", case.name)
    wait_for(lambda: learned(kafka, case) == 1_000, what="learning")
    port = free_port()
    api = cli.start("serve", "--port", str(port))
    with httpx2.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=10) as client:
        wait_for(lambda: _ready(client), timeout_s=120, what="a ready API")
        answers = {}
        for number in range(METERS):
            answer = client.post(f"/v1/{case.name}/predict", json={"meter": f"m{number}", "cold": 10.0})
            assert answer.status_code == 200, answer.text
            answers[number] = answer.json()["model"]["learned"]
        by_shard = {
            status["shard"]: status["learned"] for status in read_status(Kafka(bootstrap_servers=kafka), case.name)
        }
        assert answers == {n: by_shard[str(partition_of(f"m{n}".encode(), 3))] for n in range(METERS)}
        assert client.get(f"/v1/{case.name}/metrics").json()["learned"] == 1_000
        refused = client.post(f"/v1/{case.name}/predict", json={"cold": 10.0, "last": 3.0})
        assert (refused.status_code, "meter missing" in refused.text) == (422, True)
    for process in (trainer, api):
        process.process.send_signal(signal.SIGTERM)
        assert process.finish() == 0


def test_partitions_that_are_added_would_move_the_keys_so_training_stops_with_the_ways_out(case, kafka, cli):
    rows = list(itertools.islice(readings(), 300))
    fill(kafka, case.topic, [(row["meter"], orjson.dumps(row)) for row in rows])
    assert cli("train", case.name, "--until-end").returncode == 0
    _add_partitions(kafka, case.topic, 4)
    run = cli("train", case.name, "--until-end")
    assert run.returncode == 1
    assert f"{case.name} is sharded, and its topics have 4 partitions instead of 3 since the checkpoint" in run.stderr
    assert "`--fresh`" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.timeout(180)
def test_partitions_added_to_an_unsharded_use_case_are_learned_while_it_runs(case, kafka, cli):
    case.file.write_text(case.file.read_text().replace("sharded = True", ""))
    rows = list(itertools.islice(readings(), 600))
    fill(kafka, case.topic, [(row["meter"], orjson.dumps(row)) for row in rows[:300]])
    trainer = cli.start("train", case.name)
    wait_for(lambda: learned(kafka, case) == 300, what="the first three hundred")
    _add_partitions(kafka, case.topic, 6)
    fill(kafka, case.topic, [(row["meter"], orjson.dumps(row)) for row in rows[300:]])
    wait_for(lambda: learned(kafka, case) == 600, timeout_s=90, what="those of the new partitions")
    assert "partitions were added: they are read from their beginning" in trainer.complained
    trainer.process.send_signal(signal.SIGTERM)
    assert trainer.finish() == 0
    run = cli("train", case.name, "--until-end")
    assert (run.returncode, last_json(run.stdout)["learned"]) == (0, 600)


def _ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def _add_partitions(kafka: str, topic: str, count: int) -> None:
    client = AdminClient({"bootstrap.servers": kafka})
    for future in client.create_partitions([NewPartitions(topic, count)]).values():
        future.result()
    wait_for(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == count, what="partitions")
