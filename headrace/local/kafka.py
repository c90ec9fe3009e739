"""A real Apache Kafka on this machine: one node, broker and controller, no containers."""

import base64
import fcntl
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException

from headrace.local import processes
from headrace.local.jars import kafka_jars
from headrace.local.java import find_java
from headrace.local.ports import LOOPBACK, free_port
from headrace.local.processes import Child, tethered
from headrace.local.server import LocalServer
from streaming.errors import HeadraceError
from streaming.kafka import admin
from streaming.settings import Kafka

_JVM = "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=log4j2.properties"
# The voters are named here and not in the data (`format --standalone` would keep them there), so ports may change.
# A broker that was killed waits for its former self to expire before it comes back: 3 s instead of 9.
_CONFIG = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller}
log.dirs=data
auto.create.topics.enable=false
num.partitions=3
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.retention.hours=168
log.retention.bytes=1073741824
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=16777216
"""
_LOG_CONFIG = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=../logs/kafka.log
appender.file.filePattern=../logs/kafka.log.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
"""


class LocalKafka(LocalServer):
    """A broker with its data below `home` (`kafka/`, `logs/kafka.log`), as a context manager or step by step.

    The same home may be started again on another port: addresses are configuration, not data.
    """

    name = "Kafka"
    start_s = 60.0

    def __init__(self, home: Path, port: int | None = None) -> None:
        """Fetch the jars if they are missing; `port` None takes any free one."""
        self.port = port or free_port()
        self._controller_port = free_port(taken=frozenset({self.port}))
        self._folder = home.absolute() / "kafka"
        self._marker = self._folder / "cluster.id"
        self._java: list[str | Path] = [find_java().path, *_JVM, "-cp", f"{kafka_jars()}/*"]
        self.child = Child(
            "kafka",
            [*self._java, "kafka.Kafka", "server.properties"],
            log=home.absolute() / "logs" / "kafka.log",
            folder=self._folder,
        )

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Write the configuration and, once, format the data folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._refuse_if_used()
        config = _CONFIG.format(host=LOOPBACK, port=self.port, controller=self._controller_port)
        (self._folder / "server.properties").write_text(config)
        (self._folder / "log4j2.properties").write_text(_LOG_CONFIG)
        if not self._marker.exists():
            # Without the marker a format was cut short, and no broker has run here: begin again.
            shutil.rmtree(self._folder / "data", ignore_errors=True)
            cluster = _new_cluster_id()
            self._format(cluster)
            self._marker.write_text(cluster + "\n")

    def reachable(self) -> bool:
        """Whether our broker answers, and not somebody else's that came to our port."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1):
                pass
            metadata = admin(Kafka(bootstrap_servers=self.bootstrap)).list_topics(timeout=1)
        except (OSError, KafkaException):
            return False
        return bool(metadata.cluster_id == self._marker.read_text().strip())

    def _refuse_if_used(self) -> None:
        """A second broker would stumble over half written files before it came to the lock of the first."""
        lock = self._folder / "data" / ".lock"
        if not lock.exists():
            return
        with lock.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HeadraceError(f"Kafka did not start: another broker uses {self._folder / 'data'}") from None

    def _format(self, cluster: str) -> None:
        tool = [*self._java, "kafka.tools.StorageTool", "format", "-c", "server.properties", "-t", cluster]
        done = subprocess.run(  # noqa: S603  # our own command line
            tethered(tool), cwd=self._folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            reason = processes.meaningful(done.stdout + done.stderr)
            raise HeadraceError(f"Kafka's data folder {self._folder} cannot be formatted: {reason}")


def _new_cluster_id() -> str:
    """A random id in Kafka's form: 22 characters of URL-safe base64, no leading hyphen."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
