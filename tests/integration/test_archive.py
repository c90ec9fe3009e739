"""The archive against a real broker and real stores: killed, paused, doubled, starved, fed with broken records."""

import json
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.local.kafka import LocalKafka
from headrace.local.s3 import LocalS3
from streaming.archive import table_url
from tests.disks import SmallDisk, small_disk  # noqa: F401  # a fixture
from tests.faulty_s3 import FaultyS3
from tests.stores import make_place, minio, s3  # noqa: F401  # fixtures
from tests.support import CommandLine, Running, fill, make_topic, read_all, stopped, unique, wait_for

PARTITIONS = 3
USE_CASE = """
from typing import Annotated

from pydantic import Field
from river import linear_model, metrics
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Reading(TypedDict):
    meter: Annotated[str, Field(min_length=1)]
    second: int
    value: Annotated[float, Field(ge=0)]


READINGS = Topic({topic!r}, Reading, key="meter", time="second")


class Readings(UseCase):
    topics = [READINGS]
    metric = metrics.MAE
    candidates = {{"linear": linear_model.LinearRegression}}

    @on(READINGS)
    def learn(self, event, profile):
        yield Example(key=event["meter"], x={{"value": event["value"]}}, y=event["value"])
"""


@dataclass
class World:
    """One topic, the command line that archives it, and the store it goes to."""

    bootstrap: str
    topic: str
    cli: CommandLine
    store: str
    options: Mapping[str, str]

    def start(self, *options: str, **environment: str) -> Running:
        return self.cli.start("archive", self.topic, *options, **environment)

    def until_end(self) -> dict[str, Any]:
        run = self.cli("archive", self.topic, "--until-end")
        assert run.returncode == 0, run.stderr
        found: dict[str, Any] = json.loads(run.stdout)["topics"][self.topic]
        return found

    def table(self) -> pl.DataFrame:
        return pl.scan_delta(table_url(self.store, self.topic), storage_options=dict(self.options)).collect()

    def rows(self) -> int:
        """How many rows the table has by now; none while there is no table."""
        try:
            return len(self.table())
        except Exception:  # noqa: BLE001  # not made yet, or the store is away
            return 0

    def ends(self) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": unique("ends")})
        parts = [TopicPartition(self.topic, part) for part in range(PARTITIONS)]
        found = {part.partition: consumer.get_watermark_offsets(part, timeout=10)[1] for part in parts}
        consumer.close()
        return found

    def check(self, *, dead: int = 0) -> pl.DataFrame:
        """Each offset of each partition is there once, but for the dead letters."""
        table, ends = self.table(), self.ends()
        assert table.select("_partition", "_offset").is_unique().all()
        assert len(table) == sum(ends.values()) - dead
        for (part,), group in table.group_by("_partition"):
            assert group.get_column("_offset").max() == ends[int(str(part))] - 1 or dead
        return table


def world(cli: CommandLine, bootstrap: str, store: str, options: Mapping[str, str]) -> World:
    topic = unique("meters.readings")
    make_topic(bootstrap, topic, partitions=PARTITIONS)
    file = cli.folder / f"readings_{topic[-8:]}.py"
    file.write_text(USE_CASE.format(topic=topic))
    cli.environment |= {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_STORE": store,
        "HEADRACE_USE_CASES": str(file),
        "HEADRACE_ARCHIVE_ROWS": "2000",
        "HEADRACE_ARCHIVE_EVERY_S": "0.3",
        **options,
    }
    return World(bootstrap, topic, cli, store, options)


@pytest.fixture
def local(cli: CommandLine, kafka: str) -> World:
    return world(cli, kafka, (cli.folder / "store").as_uri(), {})


@pytest.fixture(params=["folder", "seaweedfs"])
def anywhere(request: pytest.FixtureRequest, cli: CommandLine, kafka: str) -> World:
    """The same on a local folder and on S3."""
    place = make_place(request.param, request, cli.folder / "store")
    return world(cli, kafka, place.url, place.environment)


class Flow:
    """A producer that writes until told to stop."""

    def __init__(self, world: World, rate: int) -> None:
        self._world, self._rate = world, rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        producer = Producer({"bootstrap.servers": self._world.bootstrap, "partitioner": "murmur2_random"})
        number = 0
        while not self._stop.wait(0.02):
            for _ in range(self._rate // 50):
                producer.produce(self._world.topic, key=f"m{number % 97}", value=reading(number))
                number += 1
            producer.poll(0)
        assert producer.flush(30) == 0


def reading(number: int) -> bytes:
    return json.dumps({"meter": f"m{number % 97}", "second": number, "value": number / 4}).encode()


def readings(count: int) -> Iterator[tuple[str, bytes]]:
    return ((f"m{number % 97}", reading(number)) for number in range(count))


def archiving(running: Running) -> bool:
    return "archiving" in running.complained


def test_a_filled_topic_is_archived_once_and_a_second_run_adds_nothing(anywhere):
    """Rows with the event's fields; the summary tells rows, dead letters and offsets."""
    fill(anywhere.bootstrap, anywhere.topic, readings(12_000))
    first = anywhere.until_end()
    assert (first["rows"], first["written"], first["dead"]) == (12_000, 12_000, 0)
    assert {int(part): at for part, at in first["offsets"].items()} == anywhere.ends()
    table = anywhere.check()
    assert sorted(table.get_column("second").to_list()) == list(range(12_000))
    assert table.filter(pl.col("value") != pl.col("second") / 4).is_empty()
    again = anywhere.until_end()
    assert (again["rows"], again["written"], again["offsets"]) == (12_000, 0, first["offsets"])


def test_bad_records_become_dead_letters_with_the_reason_that_the_trainer_gives(local):
    """Their offsets are passed, their neighbours archived; a second reader writes the same key."""
    good = list(readings(40))
    bad: list[tuple[str, bytes | None]] = [
        ("b1", b'{"meter":"b1","second":1,"value":-3.1}'),
        ("b2", b"no json"),
        ("b3", None),
        ("b4", b'{"meter":"b4","second":9223372036854775808,"value":1}'),
    ]
    fill(local.bootstrap, local.topic, [*good[:20], *bad, *good[20:]])
    summary = local.until_end()
    assert (summary["rows"], summary["dead"]) == (40, 4)
    local.check(dead=4)
    letters: dict[Any, dict[str, Any]] = {
        m.value(): dict(m.headers() or []) for m in read_all(local.bootstrap, f"{local.topic}.dead")
    }
    assert letters[bad[0][1]]["reason"] == b"value must be greater than or equal to 0, got -3.1"
    assert letters[bad[1][1]]["reason"].startswith(b"not JSON")
    assert letters[b""]["reason"] == b"the record has no value"
    assert letters[bad[3][1]]["reason"].startswith(b"it cannot be archived: ")
    keys = {m.key() for m in read_all(local.bootstrap, f"{local.topic}.dead")}
    for headers in letters.values():
        place = "/".join(str(headers[name].decode()) for name in ("topic", "partition", "offset"))
        assert place.encode() in keys
    assert local.until_end()["written"] == 0


@pytest.mark.parametrize(
    ("anywhere", "kills"), [("folder", 10), ("seaweedfs", 10), ("minio", 3)], indirect=["anywhere"]
)
def test_killed_in_full_flow_each_event_is_archived_once(anywhere, kills):
    """`kill -9` at random moments, a producer that goes on, compaction in between."""
    chance = random.Random(5)
    anywhere.cli.environment |= {
        "HEADRACE_INSTANCE": unique("copy"),
        "HEADRACE_ARCHIVE_COMPACT_EVERY_S": "0.4",
    }
    with Flow(anywhere, rate=4_000):
        for _ in range(kills):
            running = anywhere.start()
            wait_for(partial(archiving, running), what="archiving")
            time.sleep(chance.uniform(0.05, 1.5))
            running.process.kill()
            running.process.wait()
    anywhere.until_end()
    assert len(anywhere.check()) > 0


def test_two_copies_share_the_partitions_and_one_takes_over_when_the_other_stops(local):
    """Joining and leaving loses nothing and doubles nothing."""
    with Flow(local, rate=2_000):
        first = local.start()
        wait_for(lambda: local.rows() > 0, what="the first rows")
        second = local.start()
        wait_for(lambda: archiving(second), what="a share for the second copy")
        before = local.rows()
        wait_for(lambda: local.rows() > before + 2_000, what="rows of both")
        first.process.send_signal(signal.SIGTERM)
        assert first.finish() == 0
        wait_for(lambda: "[0, 1, 2]" in second.complained, what="the whole topic for the second copy")
    local.until_end()
    assert second.process.poll() is None
    second.process.send_signal(signal.SIGTERM)
    assert second.finish() == 0
    local.check()


def test_copies_stopped_in_the_middle_of_a_commit_say_so_when_they_go_on_and_stop(anywhere):
    """SIGSTOP between check and commit, and right after a commit: fenced at the next write, exit 1, nothing doubled."""
    anywhere.cli.environment["HEADRACE_ARCHIVE_COMPACT_EVERY_S"] = "0.5"
    with Flow(anywhere, rate=2_000):
        sleepers = []
        for place in ("write-delta:before:3:stop", "write-delta:after:3:stop"):
            sleepers.append(anywhere.start(HEADRACE_FAILPOINT=place))
            wait_for(lambda: stopped(sleepers[-1]), timeout_s=180, what="its stop")
        successor = anywhere.start()
        wait_for(lambda: archiving(successor), timeout_s=180, what="the takeover")
        before = anywhere.rows()
        wait_for(lambda: anywhere.rows() > before + 2_000, what="rows of the successor")
        for sleeper in sleepers:
            sleeper.process.send_signal(signal.SIGCONT)
        for sleeper in sleepers:
            assert sleeper.finish() == 1
            last = sleeper.complained.splitlines()[-1]
            assert last.startswith(f"headrace: {anywhere.topic}[")
            assert "another copy has taken over" in last
    anywhere.until_end()
    assert successor.process.poll() is None
    anywhere.check()


def test_sigterm_archives_what_was_read_and_exits_0(local):
    """Nothing waits for the next interval."""
    local.cli.environment |= {"HEADRACE_ARCHIVE_EVERY_S": "600", "HEADRACE_ARCHIVE_ROWS": "1000000"}
    fill(local.bootstrap, local.topic, readings(5_000))
    running = local.start()
    wait_for(lambda: status(local).get("buffered") == 5_000, what="all read")
    running.process.send_signal(signal.SIGTERM)
    assert running.finish() == 0
    local.check()


def status(world: World) -> dict[str, Any]:
    """What the archive said last."""
    key = f"archive/{world.topic}".encode()
    try:
        said = [m.value() for m in read_all(world.bootstrap, "headrace.status") if m.key() == key]
    except KeyError:
        return {}
    return json.loads(said[-1] or b"{}") if said else {}


def test_the_status_tells_rows_and_lag_each_second(local):
    """For the live table."""
    fill(local.bootstrap, local.topic, readings(3_000))
    running = local.start()
    wait_for(lambda: status(local).get("rows") == 3_000, what="the rows in the status")
    said = wait_for(lambda: status(local) if status(local).get("lag") == 0 else None, what="no lag")
    assert said["topic"] == local.topic
    assert said["commits"] >= 1
    assert said["dead"] == 0
    assert running.process.poll() is None


def test_a_store_that_cannot_be_written_is_said_once_and_nothing_is_lost(local):
    """A file stands where the table's folder would be."""
    blocker = Path(local.store.removeprefix("file://")) / "archive"
    blocker.parent.mkdir()
    blocker.write_text("in the way")
    with Flow(local, rate=1_000):
        running = local.start()
        wait_for(lambda: "waiting=" in running.complained, what="the warning")
        blocker.unlink()
        wait_for(lambda: local.rows() > 0, what="rows")
    assert "answers again" in running.complained
    running.process.send_signal(signal.SIGTERM)
    assert running.finish() == 0
    local.until_end()
    local.check()
    assert running.complained.count("warning") == 1


def test_a_full_disk_is_said_once_and_nothing_is_lost(cli, kafka, small_disk: SmallDisk):  # noqa: F811
    """In full flow, for as long as it takes; with room again it goes on, and what it tried meanwhile takes none."""
    meters = world(cli, kafka, (small_disk.folder / "store").as_uri(), {})
    with Flow(meters, rate=1_000):
        running = meters.start()
        wait_for(lambda: meters.rows() > 0, timeout_s=120, what="the first rows")
        small_disk.fill()
        wait_for(lambda: "waiting=" in running.complained, timeout_s=120, what="the warning")
        behind = sum(meters.ends().values())
        wait_for(lambda: sum(meters.ends().values()) > behind + 3_000, what="more to archive")
        small_disk.free()
        wait_for(lambda: meters.rows() > behind + 3_000, timeout_s=120, what="all of it")
    assert "answers again" in running.complained
    assert running.complained.count("warning") == 1
    assert "No space left on device" in running.complained
    running.process.send_signal(signal.SIGTERM)
    assert running.finish() == 0
    meters.until_end()
    meters.check()
    folder = Path(meters.store.removeprefix("file://"))
    assert [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size == 0] == []
    assert list(folder.rglob("*#*")) == []


def test_through_a_bad_network_to_s3_each_event_is_archived_once(cli, kafka, s3):  # noqa: F811
    """Requests and answers are lost, refused, late: above all commits that landed though their answer was lost."""
    with FaultyS3(s3) as network:
        lake = world(cli, kafka, s3.url(unique("lake")), network.environment)
        with Flow(lake, rate=1_000):
            running = lake.start()
            wait_for(lambda: archiving(running), timeout_s=120, what="archiving")
            network.weather(lose_answer=0.1, deny=0.1, lose_request=0.1, refuse=0.1, delay=0.2)
            network.fail("lose answer", part="_delta_log", times=3)
            network.fail("deny", part="_delta_log", times=3)
            wait_for(lambda: sum(network.happened.values()) > 40, timeout_s=90, what="a bad time")
            network.weather()
            before = sum(lake.ends().values())
            wait_for(lambda: lake.rows() > before, timeout_s=120, what="all of it")
        assert running.process.poll() is None, running.complained
        running.process.send_signal(signal.SIGTERM)
        assert running.finish() == 0
        lake.until_end()
        lake.check()


def test_s3_away_in_full_flow_is_said_once_and_nothing_is_lost(cli, kafka, tmp_path):
    """Killed and started again under load."""
    with LocalS3(tmp_path / "s3home") as server:
        lake = world(cli, kafka, server.url("lake"), server.environment)
        with Flow(lake, rate=1_000):
            running = lake.start()
            wait_for(lambda: lake.rows() > 0, what="the first rows")
            server.kill()
            wait_for(lambda: "waiting=" in running.complained, timeout_s=90, what="the warning")
            server.start()
            before = lake.rows()
            wait_for(lambda: lake.rows() > before + 1_000, timeout_s=90, what="rows again")
        running.process.send_signal(signal.SIGTERM)
        assert running.finish() == 0
        lake.until_end()
        lake.check()


def test_kafka_away_in_full_flow_is_survived(cli, tmp_path):
    """The broker is killed and comes back; the archive goes on by itself."""
    with LocalKafka(tmp_path / "home") as broker:
        meters = world(cli, broker.bootstrap, (cli.folder / "store").as_uri(), {})
        with Flow(meters, rate=1_000):
            running = meters.start()
            wait_for(lambda: meters.rows() > 0, what="the first rows")
            broker.kill()
            time.sleep(7)  # longer than the session: the partitions are lost, and found again
            broker.start()
            before = meters.rows()
            wait_for(lambda: meters.rows() > before + 1_000, timeout_s=90, what="rows again")
        running.process.send_signal(signal.SIGTERM)
        assert running.finish() == 0, running.complained
        meters.until_end()
        meters.check()


def test_records_that_kafka_has_dropped_stop_the_archive_with_the_way_out(local):
    """A gap is never passed in silence."""
    fill(local.bootstrap, local.topic, readings(1_000))
    local.until_end()
    fill(local.bootstrap, local.topic, readings(1_000))
    admin = AdminClient({"bootstrap.servers": local.bootstrap})
    ends = local.ends()
    for future in admin.delete_records([TopicPartition(local.topic, 0, ends[0] - 5)]).values():
        future.result()
    run = local.cli("archive", local.topic, "--until-end")
    assert run.returncode == 1
    assert f"{local.topic}[0]: the archive goes on at offset" in run.stderr
    assert "--accept-gap" in run.stderr
    run = local.cli("archive", local.topic, "--until-end", "--accept-gap")
    assert run.returncode == 0, run.stderr
    assert "records are lost to the archive" in run.stderr
    found = local.table().filter(pl.col("_partition") == 0).get_column("_offset").sort().to_list()
    assert found[-5:] == list(range(ends[0] - 5, ends[0]))
    assert len(found) == len(set(found)) < ends[0]


def test_a_topic_made_again_is_archived_from_its_beginning_beside_the_old_rows(local):
    """While the archive runs; the rows keep the id of the topic they came from."""
    fill(local.bootstrap, local.topic, readings(1_000))
    running = local.start()
    wait_for(lambda: local.rows() == 1_000, what="the old rows")
    admin = AdminClient({"bootstrap.servers": local.bootstrap})
    for future in admin.delete_topics([local.topic]).values():
        future.result()
    wait_for(lambda: local.topic not in admin.list_topics(timeout=10).topics, what="its end")
    make_topic(local.bootstrap, local.topic, partitions=PARTITIONS)
    fill(local.bootstrap, local.topic, readings(3_000))
    wait_for(lambda: local.rows() == 4_000, timeout_s=90, what="the new rows")
    assert running.process.poll() is None
    table = local.table()
    assert sorted(table.group_by("_topic_id").len().get_column("len").to_list()) == [1_000, 3_000]
    assert table.select("_topic_id", "_partition", "_offset").is_unique().all()


def test_an_unknown_topic_is_wrong_usage(local):
    """Exit 2, and the names there are."""
    run = local.cli("archive", "no.such.topic")
    assert run.returncode == 2
    assert "unknown topic 'no.such.topic'; there are" in run.stderr
    assert len(run.stderr.splitlines()) == 1
