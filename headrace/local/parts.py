"""The parts of the local stack: what each one needs, how it starts, how it shows that it answers."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.local.kafka import LocalKafka
from headrace.local.mlflow import PORT as MLFLOW_PORT
from headrace.local.mlflow import LocalMLflow
from headrace.local.ports import LOOPBACK, answers, free_port
from headrace.local.processes import Child, Supervisor
from headrace.local.prometheus import PORT as PROMETHEUS_PORT
from headrace.local.prometheus import LocalPrometheus, configuration, find_prometheus
from headrace.local.s3 import LocalS3
from headrace.local.valkey import PORT as VALKEY_PORT
from headrace.local.valkey import LocalValkey, find_valkey
from headrace.status import Heard
from streaming.errors import HeadraceError, WrongUsage
from streaming.kafka import wait_for_kafka
from streaming.settings import Kafka, Settings
from streaming.signing import signing_key

KAFKA_SETTING = "HEADRACE_KAFKA__BOOTSTRAP_SERVERS"
_KAFKA_PORT = 9092
_API_PORT = 8000
_S3_PORT = 8333
_MONITOR_PORT = 9101
_ANSWER_S = 5.0
_MEMORY = {"MALLOC_ARENA_MAX": "2"}  # else each thread keeps what it has freed


@dataclass
class Stack:
    """What the parts of one `headrace up` share."""

    home: Path
    settings: Settings
    kafka: Kafka
    """How clients reach Kafka; the part `kafka` puts the local address in unless the user has set one."""
    kafka_given: bool
    use_cases: Sequence[str]
    """What to train."""
    topics: Sequence[str]
    """What to archive: the topics of the use cases."""
    simulators: Sequence[str]
    """The worlds whose events are produced."""
    rate: str
    supervisor: Supervisor
    say: Callable[[str], None] = print
    addresses: dict[str, str] = field(default_factory=dict)
    """Where each part that has an address answers."""
    environment: dict[str, str] = field(default_factory=dict)
    """The settings that find the local servers: for the children and for `local.env`."""
    monitors: dict[str, int] = field(default_factory=dict)
    """Ports of those that show metrics beside the API."""
    s3: LocalS3 | None = None
    """The object store, when it is a local server instead of a folder."""
    began: float = field(default_factory=time.time)
    heard: Sequence[Heard] = ()
    """What the trainers have told of themselves."""

    def command(self, name: str, *arguments: str, **environment: str) -> Child:
        """One of our own commands as a child process."""
        return Child(
            name,
            [sys.executable, "-P", "-m", "headrace", *arguments],
            log=self.home / "logs" / f"{name.replace(' ', '-')}.log",
            environment={**_MEMORY, **self.environment, **environment},
        )

    def monitored(self, name: str) -> dict[str, str]:
        """The settings that give a service a port for its metrics; it is shown with the addresses."""
        port = free_port(_MONITOR_PORT + len(self.monitors), taken=frozenset(self.monitors.values()))
        self.monitors[name] = port
        self.addresses[f"metrics of {name}"] = f"http://{LOOPBACK}:{port}/metrics"
        return {"HEADRACE_MONITOR__HOST": LOOPBACK, "HEADRACE_MONITOR__PORT": str(port)}


class Part:
    """One part of the stack. A new one is a class with a name, its needs and these two, and its place in `PARTS`."""

    name: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """What it waits for too, when that is started at all."""

    def start(self, stack: Stack) -> None:
        """Start it; what it needs answers already."""
        raise NotImplementedError

    def answers(self, stack: Stack) -> bool:  # noqa: ARG002  # for those that have to ask
        """Whether it can be used; most can as soon as they run."""
        return True


class S3Part(Part):
    """An S3 server instead of the folder `store`: for checkpoints, models, the archive and MLflow's artifacts."""

    name = "s3"
    _server: LocalS3 | None = None

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one."""
        if "store" in stack.settings.model_fields_set:
            raise WrongUsage(f"HEADRACE_STORE is {stack.settings.store}: unset it, or go without a local S3 server")
        self._server = stack.s3 = LocalS3(stack.home, _port("S3", _S3_PORT, stack))
        self._server.prepare()
        stack.supervisor.start([self._server.child])
        stack.addresses[self.name] = self._server.endpoint
        stack.environment |= {**self._server.environment, "HEADRACE_STORE": self._server.url("store")}
        if stack.settings.signing_key is None:  # the local one, which a store that is no folder has to be told
            stack.environment["HEADRACE_SIGNING_KEY"] = signing_key(stack.settings).decode()

    def answers(self, stack: Stack) -> bool:  # noqa: ARG002  # the server is its own
        """It lets us in."""
        return self._server is None or self._server.answers()


class KafkaPart(Part):
    """A broker of our own, or the one that the user has set."""

    name = "kafka"
    _broker: LocalKafka | None = None

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one."""
        if stack.kafka_given:
            stack.addresses[self.name] = stack.kafka.bootstrap_servers
            return
        self._broker = LocalKafka(stack.home, _port("Kafka", _KAFKA_PORT, stack))
        self._broker.prepare()
        stack.supervisor.start([self._broker.child])
        stack.addresses[self.name] = self._broker.bootstrap
        stack.environment[KAFKA_SETTING] = self._broker.bootstrap
        stack.kafka = stack.kafka.model_copy(update={"bootstrap_servers": self._broker.bootstrap})

    def answers(self, stack: Stack) -> bool:
        """A request is answered; an error tells why none ever will be."""
        if self._broker:
            return self._broker.answers()
        wait_for_kafka(stack.kafka, timeout_s=_ANSWER_S)
        return True


class ValkeyPart(Part):
    """Views for look-up by key; without a Valkey for this machine serving reads them from Kafka."""

    name = "valkey"
    _server: LocalValkey | None = None

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one."""
        given = stack.settings.redis_url
        if given:
            stack.addresses[self.name] = given
            return
        program = find_valkey()
        if program is None:
            stack.say("no Valkey for this machine: views are read from Kafka")
            return
        self._server = LocalValkey(stack.home, program, _port("Valkey", VALKEY_PORT, stack))
        stack.supervisor.start([self._server.child])
        stack.addresses[self.name] = self._server.url
        stack.environment["HEADRACE_REDIS_URL"] = self._server.url

    def answers(self, stack: Stack) -> bool:  # noqa: ARG002  # the server is its own
        """It accepts connections."""
        return self._server is None or self._server.answers()


class MLflowPart(Part):
    """Tracking server and registry; nobody waits for it: trainers catch up."""

    name = "mlflow"
    _server: LocalMLflow | None = None

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one."""
        given = stack.settings.mlflow_tracking_uri
        if given:
            stack.addresses[self.name] = given
            return
        self._server = LocalMLflow(
            stack.home,
            _port("MLflow", MLFLOW_PORT, stack),
            artifacts=stack.s3.url("mlflow") if stack.s3 else None,
            environment=stack.s3.environment if stack.s3 else None,
        )
        self._server.prepare()
        stack.supervisor.start([self._server.child])
        stack.addresses[self.name] = self._server.uri
        stack.environment["MLFLOW_TRACKING_URI"] = self._server.uri

    def answers(self, stack: Stack) -> bool:  # noqa: ARG002  # the server is its own
        """Its health route answers."""
        return self._server is None or self._server.answers()


class TrainersPart(Part):
    """A trainer per use case; its name is stable, so it takes its own place back at once."""

    name = "trainers"
    needs = ("kafka",)
    after = ("s3",)

    def start(self, stack: Stack) -> None:
        """One process per use case."""
        if other := other_state(stack):
            stack.say(other)
        for name in stack.use_cases:
            monitor = stack.monitored(f"train {name}")
            own = {"HEADRACE_INSTANCE": f"local-{name}", **monitor}
            stack.supervisor.start([stack.command(f"train {name}", "train", name, **own)])

    def answers(self, stack: Stack) -> bool:
        """Each one has told its state since it was started."""
        told = {heard.status.use_case for heard in stack.heard if heard.written >= stack.began}
        return told.issuperset(stack.use_cases)


class ApiPart(Part):
    """The prediction API."""

    name = "api"
    needs = ("kafka",)
    after = ("s3",)
    _port = 0

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one."""
        self._port = _port("The API", _API_PORT, stack)
        stack.supervisor.start([stack.command("serve", "serve", "--port", str(self._port))])
        stack.addresses[self.name] = f"http://{LOOPBACK}:{self._port}"
        stack.addresses["docs"] = f"{stack.addresses[self.name]}/docs"

    def answers(self, stack: Stack) -> bool:  # noqa: ARG002  # it is its own
        """It is ready: what the topics tell of models and switches is read to its end."""
        return answers(self._port, "/readyz")


class ArchivePart(Part):
    """The Delta archive of every event."""

    name = "archive"
    needs = ("kafka",)
    after = ("s3",)

    def start(self, stack: Stack) -> None:
        """One process for the topics of the use cases."""
        own = {"HEADRACE_INSTANCE": "local-archive", **stack.monitored(self.name)}
        stack.supervisor.start([stack.command("archive", "archive", *stack.topics, **own)])


class ProducersPart(Part):
    """The simulators whose events the use cases read, and the polls of HEADRACE_POLL: a process each."""

    name = "producers"
    needs = ("kafka",)

    def start(self, stack: Stack) -> None:
        """Each world at the same rate."""
        stack.supervisor.start(
            stack.command(f"produce {world}", "produce", world, "--rate", stack.rate) for world in stack.simulators
        )
        files = [Path(part.strip()) for part in stack.settings.poll.split(",") if part.strip()]
        stack.supervisor.start(
            stack.command(f"poll {file.stem}", "produce", "--poll", str(file.absolute())) for file in files
        )


class PrometheusPart(Part):
    """Keeps the series of the others and evaluates the rules of the project, when Prometheus is installed."""

    name = "prometheus"
    _server: LocalPrometheus | None = None

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one; without the program the table and `headrace watch` show the numbers."""
        program = find_prometheus()
        if program is None:
            stack.say("no Prometheus on this machine: `headrace watch` shows the live numbers in a terminal")
            return
        port = _port("Prometheus", PROMETHEUS_PORT, stack)
        targets = {name: f"http://{LOOPBACK}:{port}" for name, port in stack.monitors.items()}
        if "api" in stack.addresses:
            targets["api"] = stack.addresses["api"]
        self._server = LocalPrometheus(stack.home, program, port, configuration(targets))
        stack.supervisor.start([self._server.child], needed=False)
        stack.addresses[self.name] = self._server.url

    def answers(self, stack: Stack) -> bool:
        """It is ready, still reads what it kept, or was left alone: nothing else stands on it."""
        if self._server is None:
            return True
        if stack.supervisor.left_alone(self._server.child):
            stack.addresses.pop(self.name, None)
            return True
        try:
            return self._server.answers()
        except HeadraceError:
            return self._server.child.alive


def other_state(stack: Stack) -> str | None:
    """A sentence when this folder has learned in another store before: the two never meet, though Kafka is the same."""
    if "store" in stack.settings.model_fields_set:
        return None
    if stack.s3 is not None:
        there, runs, goes_on = stack.home / "store" / "checkpoints", "without --s3", "on S3"
    else:
        there, runs, goes_on = stack.home / "s3" / "data", "with --s3", f"in {stack.home / 'store'}"
    if not there.exists():
        return None
    return f"{there.parent} holds what runs {runs} have learned: this one goes on with the state {goes_on} instead"


def _port(who: str, usual: int, stack: Stack) -> int:
    port = free_port(usual)
    if port != usual:
        stack.say(f"port {usual} is in use: {who} takes {port}")
    return port


# In starting order: what a first answer waits for comes first, and the slow start of MLflow beside it.
# Prometheus is last: it scrapes those that were given a port.
_ORDER = S3Part, KafkaPart, ValkeyPart, MLflowPart, TrainersPart, ApiPart, ProducersPart, ArchivePart, PrometheusPart
PARTS: dict[str, type[Part]] = {part.name: part for part in _ORDER}


def chosen(only: str | None, *, s3: bool = False) -> list[Part]:
    """The parts of `--only` with all that they need, in starting order; without it every part, S3 when wanted."""
    every = [name for name in PARTS if name != S3Part.name]
    names = [name.strip() for name in only.split(",") if name.strip()] if only is not None else every
    for name in names:
        if name not in PARTS:
            raise WrongUsage(f"unknown part {name!r}; there are {', '.join(PARTS)}")
    if not names:
        raise WrongUsage(f"--only names no part; there are {', '.join(PARTS)}")
    wanted = {*names, *([S3Part.name] if s3 else []), *(need for name in names for need in PARTS[name].needs)}
    return [part() for name, part in PARTS.items() if name in wanted]


def start(parts: Sequence[Part], stack: Stack) -> None:
    """Start each part as soon as those that it needs answer."""
    started: dict[str, Part] = {}
    for part in parts:
        for need in (*part.needs, *part.after):
            while need in started and not started[need].answers(stack):
                time.sleep(0.05)
        stack.say(f"Starting {part.name}")
        part.start(stack)
        started[part.name] = part
