"""What several tests need: waiting for a condition, filling and reading topics, the command line as a process."""

import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

Found = TypeVar("Found")
_KEPT = "PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME"


def wait_for(condition: Callable[[], Found | None], *, timeout_s: float = 60.0, what: str = "the condition") -> Found:
    """Return the first true answer of `condition`; fail when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout_s:.0f} s")
        time.sleep(0.02)
    return found


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}.{uuid.uuid4().hex[:8]}"


def make_topic(bootstrap: str, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
    """Make a topic and wait until it can be used."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    for future in client.create_topics([NewTopic(name, partitions, 1, config=dict(config or {}))]).values():
        future.result()
    wait_for(lambda: len(client.list_topics(name, timeout=10).topics[name].partitions) == partitions, what=name)


def fill(bootstrap: str, topic: str, records: Iterable[tuple[str | bytes | None, bytes | None]]) -> None:
    """Write (key, value) records in order, placed by key as our producers do."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    for count, (key, value) in enumerate(records):
        producer.produce(topic, key=key, value=value)
        if count % 10_000 == 9_999:
            producer.flush()
    assert producer.flush(30) == 0


def read_all(bootstrap: str, topic: str) -> list[Message]:
    """Every record that the topic holds now, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": unique("read"), "enable.auto.commit": False})
    try:
        parts = [TopicPartition(topic, p) for p in consumer.list_topics(topic, timeout=10).topics[topic].partitions]
        ends = {part.partition: consumer.get_watermark_offsets(part, timeout=10)[1] for part in parts}
        consumer.assign([TopicPartition(topic, part.partition, OFFSET_BEGINNING) for part in parts])
        found: list[Message] = []

        def complete() -> bool:
            found.extend(m for m in consumer.consume(1_000, 0.2) if m.error() is None)
            return all(p.offset >= ends[p.partition] or ends[p.partition] == 0 for p in consumer.position(parts))

        wait_for(complete, what=f"the end of {topic}")
        return sorted(found, key=lambda m: (m.partition() or 0, m.offset() or 0))
    finally:
        consumer.close()


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def all_gone(processes: Sequence[psutil.Process]) -> bool:
    """Whether none of them runs any more (a zombie does not run)."""
    return not any(process.is_running() and _status(process) != psutil.STATUS_ZOMBIE for process in processes)


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


@dataclass
class Running:
    """One `headrace …` in the background, its output in two files."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    @property
    def said(self) -> str:
        """Its stdout so far."""
        return self.stdout.read_text()

    @property
    def complained(self) -> str:
        """Its stderr so far."""
        return self.stderr.read_text()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def finish(self, timeout_s: float = 60.0) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(timeout_s)


def stopped(running: Running) -> bool:
    """Whether it was stopped (SIGSTOP), and did not end instead."""
    assert running.process.poll() is None, running.complained
    return _status(psutil.Process(running.process.pid)) == psutil.STATUS_STOPPED


@dataclass
class CommandLine:
    """`python -m headrace …` in a folder of its own, with nothing of this process's environment that could matter."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    """Added to the clean environment of every call."""
    running: list[Running] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(
        self, *arguments: str, timeout_s: float = 120.0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=self._clean(environment),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str, **environment: str) -> Running:
        """Start in the background; what still runs at the test's end is killed."""
        stdout, stderr = self._outputs()
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                self._command(arguments), cwd=self.folder, env=self._clean(environment), stdout=out, stderr=err
            )
        self.running.append(Running(process, stdout, stderr))
        return self.running[-1]

    def close(self) -> None:
        """Kill what still runs."""
        for running in self.running:
            running.process.kill()
            running.process.wait()

    def _outputs(self) -> tuple[Path, Path]:
        """New files for stdout and stderr; threads may start commands at one time."""
        number = next(self._numbers)
        return self.folder / f"stdout-{number}.txt", self.folder / f"stderr-{number}.txt"

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-P", "-m", "headrace", *arguments]

    def _clean(self, environment: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, **self.environment, **environment}
