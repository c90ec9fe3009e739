"""The trainer against a real broker: killed, stopped, switched off, fed with broken records."""

import json
import random
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.local.kafka import LocalKafka
from streaming.control import read_status
from streaming.errors import Unavailable
from streaming.settings import Kafka
from tests.disks import SmallDisk, small_disk  # noqa: F401  # a fixture
from tests.faulty_s3 import FaultyS3
from tests.stores import Place, make_place, s3  # noqa: F401  # a fixture
from tests.support import CommandLine, Running, fill, make_topic, read_all, unique, wait_for

EVENTS = 6_000


@pytest.fixture(scope="module")
def telecom(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A broker whose telecom topics were filled before the start, and the files they were filled from."""
    folder = tmp_path_factory.mktemp("telecom")
    cli = CommandLine(folder)
    with LocalKafka(folder / "kafka") as broker:
        cli.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"] = broker.bootstrap
        assert cli("produce", "telecom", "--count", str(EVENTS), "--seed", "7", "--out", "files").returncode == 0
        for topic in ("telecom.usage", "telecom.churn"):
            run = cli("produce", "--topic", topic, "--file", f"files/{topic}.ndjson")
            assert run.returncode == 0, run.stderr
        yield broker.bootstrap, folder / "files"
    cli.close()


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: all but the offsets."""
    return {name: value for name, value in summary.items() if name != "offsets"}


def files_of(files: Path) -> list[str]:
    return [part for topic in ("telecom.usage", "telecom.churn") for part in ("--file", f"{files}/{topic}.ndjson")]


def evaluated(cli: CommandLine, use_case: str, files: Path) -> dict[str, Any]:
    only = [part for part in files_of(files) if use_case != "plan" or "churn" not in part]
    if use_case == "plan":
        only = ["--file", f"{files}/telecom.usage.ndjson"]
    run = cli("evaluate", use_case, *only)
    assert run.returncode == 0, run.stderr
    return last_json(run.stdout)


def learning(running: Running) -> bool:
    return " learning " in running.complained


def begun(running: Running) -> bool:
    return learning(running) or running.process.poll() is not None


def at(place: Place, bootstrap: str, cli: CommandLine) -> None:
    """Let commands keep their state there."""
    cli.environment |= {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_STORE": place.url,
        "HEADRACE_CHECKPOINT_EVERY_S": "0.2",
        **place.environment,
    }


@pytest.mark.parametrize(("use_case", "kind"), [("plan", "folder"), ("churn", "seaweedfs")])
def test_killed_at_random_moments_the_summary_is_that_of_an_uninterrupted_run(telecom, cli, request, use_case, kind):
    bootstrap, files = telecom
    at(make_place(kind, request, cli.folder / "store"), bootstrap, cli)
    cli.environment["HEADRACE_INSTANCE"] = unique("copy")
    chance = random.Random(3)
    kills = 0
    for _ in range(4):
        trainer = cli.start("train", use_case, "--until-end")
        wait_for(partial(begun, trainer), what="learning")
        time.sleep(chance.uniform(0.05, 0.8))
        if trainer.process.poll() is None:
            trainer.process.kill()
            kills += 1
        trainer.process.wait()
    assert kills >= 1
    final = cli("train", use_case, "--until-end")
    assert final.returncode == 0, final.stderr
    interrupted = last_json(final.stdout)
    assert numbers(interrupted) == numbers(evaluated(cli, use_case, files))
    if kind == "folder":
        whole = cli("train", use_case, "--until-end", "--fresh", HEADRACE_STORE=(cli.folder / "other").as_uri())
        assert numbers(interrupted) == numbers(last_json(whole.stdout))
        assert sum(sum(p.values()) for p in interrupted["offsets"].values()) == sum(
            sum(p.values()) for p in last_json(whole.stdout)["offsets"].values()
        )


def test_through_a_bad_network_to_the_store_it_learns_what_it_would_through_a_good_one(telecom, cli, s3):  # noqa: F811
    """Requests and answers are lost, refused, late; the trainer is killed now and then as well."""
    bootstrap, files = telecom
    with FaultyS3(s3) as network:
        at(Place(s3.url(unique("store")), network.environment), bootstrap, cli)
        cli.environment["HEADRACE_INSTANCE"] = unique("copy")
        network.weather(lose_answer=0.1, deny=0.1, lose_request=0.1, refuse=0.1, delay=0.2)
        chance = random.Random(4)
        for _ in range(2):
            trainer = cli.start("train", "plan", "--until-end")
            wait_for(partial(begun, trainer), what="learning")
            time.sleep(chance.uniform(0.3, 2.0))
            trainer.process.kill()
            if trainer.process.wait() == 1:  # not even a claim was to be had
                assert trainer.complained.splitlines()[-1].startswith("headrace: s3://")
        network.weather(delay=0.2, lose_answer=0.2)
        network.fail("lose answer", part=".ckpt", times=5)
        runs = (cli("train", "plan", "--until-end", timeout_s=400) for _ in range(5))
        final = next(run for run in runs if run.returncode == 0)  # one that cannot claim says so and exits 1
        assert numbers(last_json(final.stdout)) == numbers(evaluated(cli, "plan", files))
        assert sum(network.happened.values()) > 10


def test_of_two_trainers_one_learns_and_a_stopped_one_is_fenced_when_it_goes_on(telecom, cli, request):
    bootstrap, files = telecom
    at(make_place("seaweedfs", request, cli.folder), bootstrap, cli)
    first = cli.start("train", "plan")
    wait_for(lambda: learning(first), what="the first to learn")
    second = cli.start("train", "plan")
    wait_for(lambda: "another copy learns" in second.complained, what="the second to wait")
    assert not learning(second)
    first.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: learning(second), what="the second to take over")
    usage = len((files / "telecom.usage.ndjson").read_text().splitlines())
    wait_for(lambda: newest(bootstrap, "plan")["events"] == usage, what="the end of the topic")
    first.process.send_signal(signal.SIGCONT)
    assert first.finish(30) == 1
    assert re.fullmatch(
        r"headrace: another trainer of plan has taken over \(.*\): this one publishes nothing more",
        first.complained.splitlines()[-1],
    )
    assert second.process.poll() is None
    second.process.send_signal(signal.SIGTERM)
    assert second.finish(30) == 0
    summary = last_json(cli("train", "plan", "--until-end").stdout)
    assert numbers(summary) == numbers(evaluated(cli, "plan", files))


def newest(bootstrap: str, use_case: str) -> dict[str, Any]:
    """The status of the highest epoch."""
    try:
        found = read_status(Kafka(bootstrap_servers=bootstrap), use_case)
    except Unavailable:  # the topic is being made
        found = []
    return max(found, key=lambda status: status["epoch"], default={"events": -1, "learned": -1})


USAGE = {
    "customer_id": "C1",
    "date": "2026-01-01",
    "data_gb": 1.0,
    "minutes": 3.0,
    "sms": 1,
    "region": "north",
    "current_plan": "basic",
    "current_monthly_spend": 20.0,
}


def test_broken_records_are_dead_letters_with_their_reason_and_the_rest_goes_on(tmp_path, cli):
    bad = [
        (b"{", "not JSON"),
        (json.dumps({k: v for k, v in USAGE.items() if k != "sms"}).encode(), "sms is missing"),
        (json.dumps(USAGE | {"data_gb": -3.1}).encode(), "data_gb must be greater than or equal to 0, got -3.1"),
        (json.dumps(USAGE | {"minutes": "many"}).encode(), "minutes must be a valid number, got 'many'"),
        (json.dumps(USAGE | {"date": "2099-01-01"}).encode(), "event time 2099-01-01T00:00:00Z is more than 90 days"),
        (None, "the record has no value"),
    ]
    good = [json.dumps(USAGE | {"date": f"2026-01-{day:02d}"}).encode() for day in range(1, 11)]
    records = [("C1", value) for value in good[:5]] + [("C1", value) for value, _ in bad]
    records += [("C1", value) for value in good[5:]]
    with LocalKafka(tmp_path / "kafka") as broker:
        make_topic(broker.bootstrap, "telecom.usage", partitions=2)
        fill(broker.bootstrap, "telecom.usage", records)
        run = cli("train", "plan", "--until-end", HEADRACE_KAFKA__BOOTSTRAP_SERVERS=broker.bootstrap)
        assert run.returncode == 0, run.stderr
        summary = last_json(run.stdout)
        letters = read_all(broker.bootstrap, "telecom.usage.dead")
    assert summary["dead"] == len(bad)
    assert summary["learned"] == summary["events"] == len(good)
    reasons = sorted(reason_of(letter) for letter in letters)
    assert len(reasons) == len(bad)
    for (_, wanted), reason in zip(sorted(bad, key=lambda pair: pair[1]), reasons, strict=True):
        assert reason.startswith(wanted)
    places = {letter.key() for letter in letters}
    assert all(re.fullmatch(rb"telecom\.usage/\d/\d+", place or b"") for place in places)
    assert len(places) == len(bad)


def reason_of(letter: Message) -> str:
    return dict(cast("list[tuple[str, bytes]]", letter.headers()))["reason"].decode()


def test_switched_off_it_stops_within_two_seconds_and_on_again_at_the_very_next_offset(tmp_path, cli):
    with LocalKafka(tmp_path / "kafka") as broker:
        cli.environment |= {
            "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
            "HEADRACE_INSTANCE": "one",
            "HEADRACE_CHECKPOINT_EVERY_S": "0.5",
        }
        producing = cli.start("produce", "telecom", "--rate", "300")
        trainer = cli.start("train", "plan")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] > 100, what="learning")
        switched = time.monotonic()
        assert cli("training", "plan", "off").returncode == 0
        wait_for(lambda: newest(broker.bootstrap, "plan")["training"]["applied"] is False, what="the switch")
        stopped_at = newest(broker.bootstrap, "plan")["learned"]
        assert time.monotonic() - switched < 20  # the command's own start included
        lag = newest(broker.bootstrap, "plan")["lag"]
        wait_for(lambda: newest(broker.bootstrap, "plan")["lag"] > lag + 300, what="more to come")
        assert newest(broker.bootstrap, "plan")["learned"] == stopped_at

        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.finish(30) == 0
        refused = cli("train", "plan", "--until-end")
        assert refused.returncode == 1
        assert "training of plan is off" in refused.stderr
        trainer = cli.start("train", "plan")
        wait_for(lambda: "training is off" in trainer.complained, what="the switch after a restart")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] == stopped_at, what="the same count")

        assert "on" in cli("training", "plan", "on").stdout
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] > stopped_at + 100, what="learning again")
        producing.process.send_signal(signal.SIGTERM)
        assert producing.finish(30) == 0
        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.finish(30) == 0
        summary = last_json(cli("train", "plan", "--until-end").stdout)
        produced = len(read_all(broker.bootstrap, "telecom.usage"))
    assert summary["events"] == summary["learned"] == produced
    assert summary["duplicates"] == summary["dead"] == 0


def test_kafka_stopped_and_started_again_everything_goes_on(tmp_path, cli):
    broker = LocalKafka(tmp_path / "kafka")
    with broker:
        cli.environment |= {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap, "HEADRACE_INSTANCE": "one"}
        producing = cli.start("produce", "telecom", "--rate", "200")
        trainer = cli.start("train", "plan")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] > 100, what="learning")
        before = newest(broker.bootstrap, "plan")["learned"]
        broker.stop()
        time.sleep(30)  # longer than the session: the seat is lost, and taken again
        broker.start()
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] > before + 500, what="learning again")
        assert trainer.process.poll() is None
        producing.process.send_signal(signal.SIGTERM)
        assert producing.finish(60) == 0
        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.finish(60) == 0
        summary = last_json(cli("train", "plan", "--until-end").stdout)
        produced = len(read_all(broker.bootstrap, "telecom.usage"))
    assert summary["events"] == summary["learned"] == produced


def test_a_topic_that_was_made_again_or_lost_its_offsets_stops_with_the_ways_out(tmp_path, cli):
    with LocalKafka(tmp_path / "kafka") as broker:
        cli.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"] = broker.bootstrap
        make_topic(broker.bootstrap, "telecom.usage")
        good = [("C1", json.dumps(USAGE | {"date": f"2026-01-{day:02d}"}).encode()) for day in range(1, 11)]
        fill(broker.bootstrap, "telecom.usage", good)
        assert cli("train", "plan", "--until-end").returncode == 0
        client = AdminClient({"bootstrap.servers": broker.bootstrap})
        for future in client.delete_topics(["telecom.usage"]).values():
            future.result()
        wait_for(lambda: "telecom.usage" not in client.list_topics(timeout=10).topics, what="the deletion")
        make_topic(broker.bootstrap, "telecom.usage")
        fill(broker.bootstrap, "telecom.usage", good * 2)
        run = cli("train", "plan", "--until-end")
        assert run.returncode == 1
        assert "was deleted and made again" in run.stderr
        assert "headrace replay plan" in run.stderr
        assert "--fresh" in run.stderr
        fresh = cli("train", "plan", "--until-end", "--fresh")
        assert last_json(fresh.stdout)["learned"] == 10


def test_a_topic_that_is_made_again_while_it_learns_stops_it_with_the_ways_out(tmp_path, cli):
    """Also one that has more records than were learned: they would be read from the middle."""
    with LocalKafka(tmp_path / "kafka") as broker:
        cli.environment |= {
            "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
            "HEADRACE_INSTANCE": "one",
            "HEADRACE_CHECKPOINT_EVERY_S": "0.5",
        }
        make_topic(broker.bootstrap, "telecom.usage")
        days = [("C1", json.dumps(USAGE | {"date": f"2026-01-{day:02d}"}).encode()) for day in range(1, 31)]
        fill(broker.bootstrap, "telecom.usage", days[:10])
        trainer = cli.start("train", "plan")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] == 10, what="learning")
        client = AdminClient({"bootstrap.servers": broker.bootstrap})
        for future in client.delete_topics(["telecom.usage"]).values():
            future.result()
        wait_for(lambda: "telecom.usage" not in client.list_topics(timeout=10).topics, what="the deletion")
        make_topic(broker.bootstrap, "telecom.usage")
        fill(broker.bootstrap, "telecom.usage", days)
        assert trainer.finish(90) == 1
        last = trainer.complained.splitlines()[-1]
        assert last.startswith("headrace: ")
        assert "`headrace replay plan` or start from nothing with `--fresh`" in last
        assert last_json(cli("train", "plan", "--until-end", "--fresh").stdout)["learned"] == 30


def drop_records(bootstrap: str, topic: str, before: int) -> None:
    """As retention does."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    for future in client.delete_records([TopicPartition(topic, 0, before)]).values():
        future.result()


def test_records_that_kafka_has_dropped_before_they_were_learned_stop_it_with_the_ways_out(tmp_path, cli):
    """At its start, and when it goes on after it was switched off for too long."""
    with LocalKafka(tmp_path / "kafka") as broker:
        cli.environment |= {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap, "HEADRACE_INSTANCE": "one"}
        make_topic(broker.bootstrap, "telecom.usage")
        days = [("C1", json.dumps(USAGE | {"date": f"2026-01-{day:02d}"}).encode()) for day in range(1, 31)]
        fill(broker.bootstrap, "telecom.usage", days[:10])
        trainer = cli.start("train", "plan")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] == 10, what="learning")
        assert cli("training", "plan", "off").returncode == 0
        wait_for(lambda: newest(broker.bootstrap, "plan")["training"]["applied"] is False, what="the switch")
        fill(broker.bootstrap, "telecom.usage", days[10:])
        drop_records(broker.bootstrap, "telecom.usage", 25)
        assert cli("training", "plan", "on").returncode == 0
        assert trainer.finish(60) == 1
        for said in trainer.complained, cli("train", "plan", "--until-end").stderr:
            last = said.splitlines()[-1]
            assert last.startswith("headrace: telecom.usage[0]")
            assert "`headrace replay plan`" in last
            assert "`--fresh`" in last
        fresh = cli("train", "plan", "--until-end", "--fresh")
        assert last_json(fresh.stdout)["learned"] == 5


def test_a_full_disk_is_said_once_and_learning_goes_on(tmp_path, cli, small_disk: SmallDisk):  # noqa: F811
    """Checkpoints wait until there is room again; killed after that, nothing is lost, and no half of a file is left."""
    with LocalKafka(tmp_path / "kafka") as broker:
        store = small_disk.folder / "store"
        at(Place(store.as_uri(), {}), broker.bootstrap, cli)
        cli.environment["HEADRACE_INSTANCE"] = "one"
        producing = cli.start("produce", "telecom", "--rate", "100")
        trainer = cli.start("train", "plan")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] > 100, what="learning")
        small_disk.fill()
        wait_for(lambda: "checkpoint not stored" in trainer.complained, what="the warning")
        before = newest(broker.bootstrap, "plan")["learned"]
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] > before + 500, what="learning on a full disk")
        small_disk.free()
        wait_for(lambda: "checkpoints are stored again" in trainer.complained, what="room again")
        assert trainer.complained.count("warning") == 2, trainer.complained  # checkpoints and snapshots, once each
        assert "No space left on device" in trainer.complained
        trainer.process.kill()
        assert [path.name for path in store.rglob("*#*")] == []
        producing.process.send_signal(signal.SIGTERM)
        assert producing.finish(30) == 0
        summary = last_json(cli("train", "plan", "--until-end", timeout_s=400).stdout)
        produced = len(read_all(broker.bootstrap, "telecom.usage"))
    assert summary["events"] == summary["learned"] == produced


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["train", "nothing"], {}, 2, "unknown use case 'nothing'; there are "),
        (["training", "plan", "perhaps"], {}, 2, "perhaps"),
        (["train", "plan"], {"HEADRACE_MERGE_WAIT_S": "soon"}, 1, "HEADRACE_MERGE_WAIT_S"),
        (["train", "plan"], {"HEADRACE_KAFKA__PARTITIONS": "0"}, 1, "HEADRACE_KAFKA__PARTITIONS"),
        (["train", "plan"], {"HEADRACE_KAFKA__CONFIG": "{"}, 1, "HEADRACE_KAFKA__CONFIG"),
        (["train", "plan"], {"HEADRACE_STORE": "ftp://x"}, 1, "HEADRACE_STORE: must be"),
        (["train", "plan"], {"HEADRACE_USE_CASES": "missing.py"}, 1, "there is no file missing.py"),
        (["train", "plan"], {"HEADRACE_USE_CASES": "broken.py"}, 1, "broken.py:3: NameError"),
        (["use-cases"], {"HEADRACE_USE_CASES": "syntax.py"}, 1, "syntax.py:1: "),
        (["train", "plan"], {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 1, "127.0.0.1:1 does not answer"),
        (["train", "plan"], {"HEADRACE_KAFKA__CONFIG": '{"no.such": 1}'}, 1, "no.such"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(cli, arguments, environment, code, said):
    (cli.folder / "broken.py").write_text("import math\n\nprint(nothing)\n")
    (cli.folder / "syntax.py").write_text("class (\n")
    run = cli(*arguments, **environment)
    assert run.returncode == code
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_asked_to_stop_while_kafka_is_away_it_leaves_soon_and_nothing_is_lost(tmp_path, cli):
    with LocalKafka(tmp_path / "kafka") as broker:
        cli.environment |= {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap, "HEADRACE_INSTANCE": "one"}
        make_topic(broker.bootstrap, "telecom.usage", partitions=2)
        days = [json.dumps(USAGE | {"date": f"2026-01-{day:02d}"}).encode() for day in range(1, 21)]
        fill(broker.bootstrap, "telecom.usage", [("C1", day) for day in days])
        trainer = cli.start("train", "plan")
        wait_for(lambda: newest(broker.bootstrap, "plan")["learned"] == 20, what="learning")
        broker.stop()
        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.finish(40) == 0
        broker.start()
        assert last_json(cli("train", "plan", "--until-end").stdout)["learned"] == 20
