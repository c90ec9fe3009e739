"""Learners rebuilt from the archive: equal to those that were there all the time, and live from then on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.local.kafka import LocalKafka
from producers import telecom
from streaming.codec import Codec
from streaming.usecase import Event
from tests.support import CommandLine, fill, make_topic
from usecases.telecom.events import CHURN, USAGE

TOPICS = {topic.name: topic for topic in (CHURN, USAGE)}
CODECS = {name: Codec(topic) for name, topic in TOPICS.items()}
PARTITIONS = 3


@dataclass
class World:
    """A broker of its own with the telecom topics, the events that go there, and the command line."""

    broker: LocalKafka
    cli: CommandLine
    events: list[tuple[str, Event]]

    def produce(self, first: int, upto: int) -> None:
        """Write some of the events, in the order of their time."""
        for name in TOPICS:
            codec = CODECS[name]
            chosen = [event for topic, event in self.events[first:upto] if topic == name]
            fill(self.broker.bootstrap, name, [(codec.key(event), codec.encode(event)) for event in chosen])

    def run(self, *arguments: str) -> dict[str, Any]:
        """A command to its end, and the last line that it prints."""
        run = self.cli(*arguments)
        assert run.returncode == 0, run.stderr
        found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
        return found

    def refused(self, *arguments: str) -> str:
        """What a command says that cannot do it, in one sentence."""
        before = self.objects()
        run = self.cli(*arguments)
        assert run.returncode == 1, run.stderr
        assert self.objects() == before
        return run.stderr.splitlines()[-1]

    def objects(self) -> list[Path]:
        """Claims and checkpoints."""
        return sorted((self.cli.folder / ".headrace" / "store" / "checkpoints").rglob("*.ckpt"))

    def evaluated(self, use_case: str, upto: int) -> dict[str, Any]:
        """What the pure learner makes of the events."""
        folder = self.cli.folder / f"first-{upto}"
        folder.mkdir(exist_ok=True)
        wanted = [CHURN, USAGE] if use_case == "churn" else [USAGE]
        files = []
        for topic in wanted:
            lines = [CODECS[topic.name].encode(event) for name, event in self.events[:upto] if name == topic.name]
            file = folder / f"{topic.name}.ndjson"
            file.write_bytes(b"".join(line + b"\n" for line in lines))
            files += ["--file", str(file)]
        return numbers(self.run("evaluate", use_case, *files))

    def ends(self) -> dict[tuple[str, int], int]:
        """The next offset of every partition."""
        return {(name, part): self.broker_end(name, part) for name in TOPICS for part in range(PARTITIONS)}

    def forget(self, share: float = 1.0) -> None:
        """Have Kafka drop this share of the records of every partition, as retention does."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        parts = [TopicPartition(*place, int(end * share)) for place, end in self.ends().items() if end]
        for future in admin.delete_records(parts).values():
            future.result()

    def broker_end(self, topic: str, partition: int) -> int:
        from confluent_kafka import Consumer

        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "ends"})
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1])
        finally:
            consumer.close()


@pytest.fixture
def world(tmp_path, cli) -> Iterator[World]:
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


def numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: all but the offsets."""
    return {name: value for name, value in summary.items() if name != "offsets"}


def test_what_kafka_has_dropped_is_learned_from_the_archive_and_kafka_goes_on_at_the_next_offset(world):
    """The summary is that of a learner that was there all the time; `train` goes on from it."""
    world.produce(0, 3_000)
    assert numbers(world.run("train", "churn", "--until-end")) == world.evaluated("churn", 3_000)
    world.run("archive", "--until-end")
    world.produce(3_000, 4_500)
    world.run("archive", "--until-end")
    world.forget()
    world.produce(4_500, 5_500)
    said = world.refused("train", "churn", "--until-end")
    assert "the checkpoint goes on at offset" in said
    assert "`headrace replay churn`" in said
    replayed = world.run("replay", "churn", "--until-end")
    assert numbers(replayed) == world.evaluated("churn", 5_500)
    assert {(t, int(p)): at for t, parts in replayed["offsets"].items() for p, at in parts.items()} == world.ends()
    world.produce(5_500, 6_000)
    assert numbers(world.run("train", "churn", "--until-end")) == world.evaluated("churn", 6_000)
