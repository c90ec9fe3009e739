"""Learners rebuilt from the archive: equal to those that were there all the time, and live from then on."""

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.local.kafka import LocalKafka
from producers import telecom
from streaming.codec import Codec
from streaming.control import read_status
from streaming.settings import Kafka
from streaming.usecase import Event
from tests.s3 import s3  # noqa: F401  # a fixture
from tests.support import CommandLine, fill, make_topic, read_all, unique, wait_for
from tests.warm import WarmLine
from usecases.telecom.events import CHURN, USAGE

TOPICS = {topic.name: topic for topic in (CHURN, USAGE)}
CODECS = {name: Codec(topic) for name, topic in TOPICS.items()}
PARTITIONS = 3
DATA = Path(__file__).parents[1] / "data"


@dataclass
class World:
    """A broker of its own with the telecom topics, the events that go there, and the command line."""

    broker: LocalKafka
    cli: WarmLine
    events: list[tuple[str, Event]]

    def produce(self, first: int, upto: int) -> None:
        """Write some of the events, in the order of their time."""
        for name in TOPICS:
            codec = CODECS[name]
            chosen = [event for topic, event in self.events[first:upto] if topic == name]
            fill(self.broker.bootstrap, name, [(codec.key(event), codec.encode(event)) for event in chosen])

    def call(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """A command to its end: exit code, stdout, stderr."""
        return call(self.cli, *arguments, **environment)

    def run(self, *arguments: str) -> dict[str, Any]:
        """A command that succeeds, and the last line that it prints."""
        code, said, complained = self.call(*arguments)
        assert code == 0, complained
        return last_json(said)

    def refused(self, *arguments: str) -> str:
        """What a command says that cannot do it, in one sentence."""
        before = self.objects()
        code, _, complained = self.call(*arguments)
        assert code == 1, complained
        assert self.objects() == before
        return complained.splitlines()[-1]

    def objects(self) -> list[Path]:
        """Claims and checkpoints."""
        return sorted((self.cli.folder / ".headrace" / "store" / "checkpoints").rglob("*.ckpt"))

    def evaluated(self, use_case: str, upto: int) -> dict[str, Any]:
        """What the pure learner makes of the events."""
        folder = self.cli.folder / f"first-{upto}"
        folder.mkdir(exist_ok=True)
        wanted = [USAGE] if use_case == "plan" else [CHURN, USAGE]
        files = []
        for topic in wanted:
            lines = [CODECS[topic.name].encode(event) for name, event in self.events[:upto] if name == topic.name]
            file = folder / f"{topic.name}.ndjson"
            file.write_bytes(b"".join(line + b"\n" for line in lines))
            files += ["--file", str(file)]
        return numbers(self.run("evaluate", use_case, *files))

    def ends(self) -> dict[tuple[str, int], int]:
        """The next offset of every partition."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "ends"})
        places = [(name, part) for name in TOPICS for part in range(PARTITIONS)]
        try:
            return {place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=10)[1] for place in places}
        finally:
            consumer.close()

    def forget(self) -> None:
        """Have Kafka drop all records."""
        for name in TOPICS:
            forget(self.broker.bootstrap, name)


@pytest.fixture
def world(tmp_path, nursery) -> Iterator[World]:
    cli = WarmLine(tmp_path, nursery)
    with LocalKafka(tmp_path / "kafka") as broker:
        for name in TOPICS:
            make_topic(broker.bootstrap, name, partitions=PARTITIONS)
        cli.environment |= {
            "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
            "HEADRACE_ARCHIVE_ROWS": "500",
        }
        events = [(topic.name, event) for topic, event in islice(telecom.events(seed=7), 6_000)]
        yield World(broker, cli, events)
        cli.close()


def call(cli: CommandLine, *arguments: str, **environment: str) -> tuple[int, str, str]:
    running = cli.start(*arguments, **environment)
    return running.finish(300), running.said, running.complained


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: all but the offsets."""
    return {name: value for name, value in summary.items() if name != "offsets"}


def test_what_kafka_has_dropped_is_learned_from_the_archive_and_kafka_goes_on_at_the_next_offset(world):
    """Then `train` goes on from there; the summary is that of a learner that was there all the time."""
    world.produce(0, 3_000)
    world.run("train", "churn", "--until-end")
    world.produce(3_000, 4_500)
    world.run("archive", "--until-end")
    world.forget()
    world.produce(4_500, 5_500)
    said = world.refused("train", "churn", "--until-end")
    assert "the checkpoint goes on at offset" in said
    assert "`headrace replay churn`" in said
    replayed = world.run("replay", "churn", "--until-end")
    assert {(t, int(p)): at for t, parts in replayed["offsets"].items() for p, at in parts.items()} == world.ends()
    world.produce(5_500, 6_000)
    assert numbers(world.run("train", "churn", "--until-end")) == world.evaluated("churn", 6_000)


def test_a_replay_that_was_killed_is_gone_on_with_by_the_trainer_while_kafka_holds_its_place_and_then_begun_again(
    world,
):
    """Offsets are the same in the archive and in Kafka; where there is nothing any more, `train` says what to do."""
    world.produce(0, 4_000)
    world.run("archive", "--until-end")
    kill(world, "plan")
    assert numbers(world.run("train", "plan", "--until-end")) == world.evaluated("plan", 4_000)
    world.forget()
    before = world.objects()
    kill(world, "churn")
    assert len(world.objects()) == len(before) + 2  # a claim and a checkpoint
    assert "`headrace replay churn`" in world.refused("train", "churn")
    assert numbers(world.run("replay", "churn", "--until-end")) == world.evaluated("churn", 4_000)


def kill(world: World, use_case: str) -> None:
    """Replay, and die by SIGKILL when the first checkpoint is there."""
    code, _, complained = world.call(
        "replay", use_case, HEADRACE_FAILPOINT="put-checkpoint:after", HEADRACE_CHECKPOINT_EVERY_S="0.05"
    )
    assert code == -signal.SIGKILL, complained


def test_without_an_archive_or_over_a_gap_it_says_so_and_writes_nothing(world):
    """One sentence each, exit 1."""
    world.produce(0, 2_000)
    assert "there is no archive of telecom.usage at " in world.refused("replay", "plan")
    world.run("archive", "--until-end")
    last = world.ends()["telecom.usage", 0] - 1
    world.produce(2_000, 4_000)
    world.forget()
    low = world.ends()["telecom.usage", 0]
    said = world.refused("replay", "plan")
    assert f"telecom.usage[0]: the archive ends at offset {last}, but Kafka begins at {low}: " in said
    assert not world.objects()


def learned(world: World) -> int:
    found = read_status(Kafka(bootstrap_servers=world.broker.bootstrap), "plan")
    return max((int(status["learned"]) for status in found), default=0)


def usage(world: World, upto: int) -> int:
    return sum(name == USAGE.name for name, _ in world.events[:upto])


def test_while_producers_write_and_the_archive_is_tidied_up_every_event_is_learned_once(world):
    """The trainer that it becomes goes on until it is stopped."""
    world.cli.environment |= {
        "HEADRACE_ARCHIVE_EVERY_S": "0.2",
        "HEADRACE_ARCHIVE_COMPACT_EVERY_S": "0.2",
        "HEADRACE_ARCHIVE_ROWS": "100",
        "HEADRACE_CHECKPOINT_EVERY_S": "0.3",
    }
    world.produce(0, 3_000)
    archive = world.cli.start("archive")
    wait_for(lambda: "tidied up" in archive.complained, what="files put together")
    writing = threading.Thread(target=lambda: [world.produce(at, at + 100) for at in range(3_000, 6_000, 100)])
    writing.start()
    replay = world.cli.start("replay", "plan")
    wait_for(lambda: learned(world) == usage(world, 6_000), timeout_s=120, what="all events")
    writing.join()
    assert "the archive is read: Kafka goes on" in replay.complained
    for running in (replay, archive):
        assert running.process.poll() is None, running.complained
        running.process.send_signal(signal.SIGTERM)
        assert running.finish() == 0
    summary = world.run("train", "plan", "--until-end")
    assert summary["events"] == summary["learned"] == usage(world, 6_000)
    assert summary["duplicates"] == summary["dead"] == 0


def test_of_a_topic_that_was_made_again_only_the_present_one_is_learned(world):
    """How many rows are left out is said."""
    world.produce(0, 1_000)
    world.run("archive", "--until-end")
    admin = AdminClient({"bootstrap.servers": world.broker.bootstrap})
    for future in admin.delete_topics([USAGE.name]).values():
        future.result()
    wait_for(lambda: USAGE.name not in admin.list_topics(timeout=10).topics, what="the deletion")
    make_topic(world.broker.bootstrap, USAGE.name, partitions=PARTITIONS)
    world.produce(0, 2_000)
    world.run("archive", USAGE.name, "--until-end")
    _, said, complained = world.call("replay", "plan", "--until-end")
    assert numbers(last_json(said)) == world.evaluated("plan", 2_000)
    left_out = next(line for line in complained.splitlines() if "rows of a deleted topic" in line)
    assert f"rows={usage(world, 1_000)}" in left_out


PICKY = """
from streaming.usecase import on
from usecases.telecom.events import USAGE
from usecases.telecom.plan import Plan


class Picky(Plan):
    @on(USAGE)
    def check(self, event, _profile):
        if event["sms"] == 999:
            raise ValueError("too many")
"""


def test_dead_letters_are_as_dead_as_before_and_their_letters_are_left_alone(world):
    """What could not be decoded, came from the far future, was too large for a column, or was refused by a handler."""
    file = world.cli.folder / "picky.py"
    file.write_text(PICKY)
    world.cli.environment["HEADRACE_USE_CASES"] = str(file)
    world.produce(0, 1_000)
    name, event = world.events[999]
    assert name == USAGE.name
    odd = [{**event, "sms": "many"}, {**event, "date": "2099-01-01"}, {**event, "sms": 2**63}, {**event, "sms": 999}]
    values = [b"no json", None, *(json.dumps(one, default=str).encode() for one in odd)]
    fill(world.broker.bootstrap, USAGE.name, [(event["customer_id"], value) for value in values])
    world.produce(1_000, 2_000)
    fill(world.broker.bootstrap, USAGE.name, [(event["customer_id"], b"at the end")])
    live = world.run("train", "picky", "--until-end")
    assert (live["dead"], live["events"]) == (6, usage(world, 2_000) + 1)
    world.run("archive", "--until-end")
    before = letters(world)
    assert len(before) == 7
    world.forget()
    assert world.run("replay", "picky", "--until-end") == live
    assert letters(world) == before


def letters(world: World) -> dict[bytes, tuple[bytes | None, bytes]]:
    """Value and reason of every letter."""
    found = read_all(world.broker.bootstrap, USAGE.dead)
    return {m.key() or b"": (m.value(), dict(m.headers() or [])["reason"]) for m in found}  # type: ignore[misc]


MINE = """
from river import compose, linear_model, preprocessing, tree

from usecases.telecom.churn import Churn, numbers


class Mine(Churn):
    candidates = {
        "logistic": lambda: (
            compose.FuncTransformer(numbers) | preprocessing.StandardScaler() | linear_model.LogisticRegression()
        ),
        NEW
    }
"""
NEW = '"tree": lambda: compose.FuncTransformer(numbers) | tree.HoeffdingTreeClassifier(grace_period=50)'


def test_a_new_candidate_is_trained_beside_the_trainer_and_joins_it_as_if_it_had_been_there_all_the_time(world):
    """From the archive alone up to the newest checkpoint, from Kafka up to the one that the trainer begins from.

    Whoever replays all of it must be alone.
    """
    old, new = (world.cli.folder / name / "mine.py" for name in ("old", "new"))
    for file, line in ((old, ""), (new, NEW)):
        file.parent.mkdir()
        file.write_text(MINE.replace("NEW", line))
    world.cli.environment["HEADRACE_USE_CASES"] = str(old)
    world.produce(0, 3_000)
    world.run("archive", "--until-end")
    world.run("train", "mine", "--until-end")
    world.forget()
    trainer = world.cli.start("train", "mine")
    wait_for(lambda: " learning " in trainer.complained, what="the trainer")
    assert world.refused("replay", "mine") == (
        "headrace: a trainer of mine is running: stop it, `headrace replay mine` puts another learner in its place"
    )
    code, _, complained = world.call("replay", "mine", "--candidate", "tree")
    assert code == 2
    assert "unknown candidate 'tree' of mine; there are logistic" in complained
    world.cli.environment["HEADRACE_USE_CASES"] = str(new)
    assert world.run("replay", "mine", "--candidate", "tree")["candidates"].keys() == {"tree"}
    assert trainer.process.poll() is None
    trainer.process.send_signal(signal.SIGTERM)
    assert trainer.finish() == 0
    assert trainer.complained.count(" learning ") == 1
    world.cli.environment["HEADRACE_USE_CASES"] = str(old)
    world.produce(3_000, 4_000)
    world.run("train", "mine", "--until-end")
    world.cli.environment["HEADRACE_USE_CASES"] = str(new)
    world.produce(4_000, 5_000)
    code, said, complained = world.call("train", "mine", "--until-end")
    assert code == 0, complained
    assert "candidate tree joins as it was replayed" in complained
    assert numbers(last_json(said)) == world.evaluated("mine", 5_000)
    assert "candidate tree of mine learns already" in world.refused("replay", "mine", "--candidate", "tree")


def test_a_sharded_learner_is_rebuilt_shard_by_shard_from_an_archive_on_s3(tmp_path, nursery, kafka, s3):  # noqa: F811
    """A new candidate of each shard too."""
    name = unique("meters").replace(".", "-")
    file, cli = tmp_path / "meters.py", WarmLine(tmp_path, nursery)
    source = (DATA / "meters.py").read_text().replace("TOPIC.", f"{name}.").replace("NAME", name)
    file.write_text(source)
    cli.environment |= {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "HEADRACE_USE_CASES": str(file),
        "HEADRACE_STORE": s3.url(unique("store")),
        "HEADRACE_SIGNING_KEY": "test",
        "HEADRACE_ARCHIVE_ROWS": "300",
        **s3.environment,
    }
    topic = f"{name}.readings"
    make_topic(kafka, topic, partitions=3)
    readings = [(f"m{hour % 40}", {"hour": hour, "cold": hour % 31, "heat": hour % 17}) for hour in range(2_000)]
    fill(kafka, topic, [(meter, json.dumps({"meter": meter, **reading}).encode()) for meter, reading in readings])
    try:
        live = done(call(cli, "train", name, "--until-end"))
        done(call(cli, "archive", topic, "--until-end"))
        forget(kafka, topic)
        assert done(call(cli, "replay", name, "--until-end")) == live
        file.write_text(source.replace('"tree":', '"linear-2": linear_model.LinearRegression, "tree":'))
        alone = done(call(cli, "replay", name, "--candidate", "linear-2"))
        assert (alone["events"], alone["offsets"]) == (2_000, live["offsets"])
        fresh = done(call(cli, "replay", name, "--until-end"))
        assert fresh["candidates"]["linear-2"] == alone["candidates"]["linear-2"]
    finally:
        cli.close()


def done(outcome: tuple[int, str, str]) -> dict[str, Any]:
    assert outcome[0] == 0, outcome[2]
    return last_json(outcome[1])


def forget(bootstrap: str, topic: str) -> None:
    """Have Kafka drop all records of a topic, as retention does."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    admin = AdminClient({"bootstrap.servers": bootstrap})
    parts = [TopicPartition(topic, part) for part in range(PARTITIONS)]
    ends = [TopicPartition(topic, p.partition, consumer.get_watermark_offsets(p, timeout=10)[1]) for p in parts]
    consumer.close()
    for future in admin.delete_records(ends).values():
        future.result()
