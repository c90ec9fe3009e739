"""The parts of the local stack: what each one needs, how it starts, how it shows that it answers."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.local.kafka import LocalKafka
from headrace.local.ports import free_port
from headrace.local.processes import Child, Supervisor
from headrace.status import Heard
from streaming.errors import WrongUsage
from streaming.kafka import wait_for_kafka
from streaming.settings import Kafka

KAFKA_SETTING = "HEADRACE_KAFKA__BOOTSTRAP_SERVERS"
_KAFKA_PORT = 9092
_ANSWER_S = 5.0


@dataclass
class Stack:
    """What the parts of one `headrace up` share."""

    home: Path
    kafka: Kafka
    """How clients reach Kafka; the part `kafka` puts the local address in unless the user has set one."""
    kafka_given: bool
    use_cases: Sequence[str]
    """What to train."""
    simulators: Sequence[str]
    """The worlds whose events are produced."""
    rate: str
    supervisor: Supervisor
    say: Callable[[str], None] = print
    addresses: dict[str, str] = field(default_factory=dict)
    """Where each part that has an address answers."""
    environment: dict[str, str] = field(default_factory=dict)
    """The settings that find the local servers: for the children and for `local.env`."""
    began: float = field(default_factory=time.time)
    heard: Sequence[Heard] = ()
    """What the trainers have told of themselves."""

    def command(self, name: str, *arguments: str, **environment: str) -> Child:
        """One of our own commands as a child process."""
        return Child(
            name,
            [sys.executable, "-P", "-m", "headrace", *arguments],
            log=self.home / "logs" / f"{name.replace(' ', '-')}.log",
            environment={**self.environment, **environment},
        )


class Part:
    """One part of the stack. A new one is a class with a name, its needs and these two, and its place in `PARTS`."""

    name: str
    needs: tuple[str, ...] = ()

    def start(self, stack: Stack) -> None:
        """Start it; what it needs answers already."""
        raise NotImplementedError

    def answers(self, stack: Stack) -> bool:  # noqa: ARG002  # for those that have to ask
        """Whether it can be used; most can as soon as they run."""
        return True


class KafkaPart(Part):
    """A broker of our own, or the one that the user has set."""

    name = "kafka"
    _broker: LocalKafka | None = None

    def start(self, stack: Stack) -> None:
        """Take the usual port or a free one."""
        if stack.kafka_given:
            stack.addresses[self.name] = stack.kafka.bootstrap_servers
            return
        port = free_port(_KAFKA_PORT)
        if port != _KAFKA_PORT:
            stack.say(f"port {_KAFKA_PORT} is in use: Kafka takes {port}")
        self._broker = LocalKafka(stack.home, port)
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


class ProducersPart(Part):
    """The simulators whose events the use cases read, one process per world."""

    name = "producers"
    needs = ("kafka",)

    def start(self, stack: Stack) -> None:
        """Each world at the same rate."""
        stack.supervisor.start(
            stack.command(f"produce {world}", "produce", world, "--rate", stack.rate) for world in stack.simulators
        )


class TrainersPart(Part):
    """A trainer per use case; its name is stable, so it takes its own place back at once."""

    name = "trainers"
    needs = ("kafka",)

    def start(self, stack: Stack) -> None:
        """One process per use case."""
        stack.supervisor.start(
            stack.command(f"train {name}", "train", name, HEADRACE_INSTANCE=f"local-{name}") for name in stack.use_cases
        )

    def answers(self, stack: Stack) -> bool:
        """Each one has told its state since it was started."""
        told = {heard.status.use_case for heard in stack.heard if heard.written >= stack.began}
        return told.issuperset(stack.use_cases)


PARTS: dict[str, type[Part]] = {part.name: part for part in (KafkaPart, ProducersPart, TrainersPart)}


def chosen(only: str | None) -> list[Part]:
    """The parts of `--only` with all that they need, in starting order; without it every part."""
    names = [name.strip() for name in only.split(",") if name.strip()] if only is not None else list(PARTS)
    for name in names:
        if name not in PARTS:
            raise WrongUsage(f"unknown part {name!r}; there are {', '.join(PARTS)}")
    if not names:
        raise WrongUsage(f"--only names no part; there are {', '.join(PARTS)}")
    wanted = {*names, *(need for name in names for need in PARTS[name].needs)}
    return [part() for name, part in PARTS.items() if name in wanted]


def start(parts: Sequence[Part], stack: Stack) -> None:
    """Start each part as soon as those that it needs answer."""
    started: dict[str, Part] = {}
    for part in parts:
        for need in part.needs:
            while not started[need].answers(stack):
                time.sleep(0.05)
        stack.say(f"Starting {part.name}")
        part.start(stack)
        started[part.name] = part
