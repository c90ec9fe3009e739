"""Real Prometheus and Alertmanager beside a real stack: panels show something, faults are told and resolve.

In a hurry: everything is scraped each second, each minute in a rule (its `for`, its ranges) is a second here, and a
trainer is silent after five seconds instead of thirty.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import urllib3

from headrace.local.kafka import LocalKafka
from headrace.local.ports import LOOPBACK, free_port
from headrace.local.prometheus import LocalPrometheus
from tests import panels
from tests.alerting import LocalAlertmanager, Webhook, ask, hurried, scraping
from tests.exporters import platform
from tests.programs import program
from tests.support import CommandLine, Running, fill, wait_for


@dataclass
class Stack:
    """A broker, events, a trainer, the archive and the API, watched."""

    cli: CommandLine
    broker: LocalKafka
    ports: dict[str, int]
    hook: Webhook
    alertmanager: LocalAlertmanager
    prometheus: str
    """Its address."""
    trainer: Running | None = None

    def start(self) -> None:
        """Everything of ours."""
        self.cli.start("produce", "telecom", "--rate", "200")
        self.train()
        self.cli.start("archive", "telecom.usage", HEADRACE_MONITOR__PORT=str(self.ports["archive"]))
        self.cli.start("serve", "--port", str(self.ports["api"]))

    def train(self) -> None:
        """Start the trainer, on its own port."""
        self.trainer = self.cli.start("train", "churn", HEADRACE_MONITOR__PORT=str(self.ports["trainer"]))

    def told(self, alert: str, state: str) -> None:
        """Wait until the webhook heard it."""
        wait_for(lambda: self.hook.states.get(alert) == state, timeout_s=300, what=f"{alert} {state}")

    def fired(self, before: int) -> set[str]:
        """The alerts that the webhook heard of after the first so many messages."""
        return {alert for alert, state in self.hook.heard[before:] if state == "firing"}

    def request(self, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
        """Ask the API: a POST where there is a body."""
        return urllib3.request("POST" if body else "GET", f"http://{LOOPBACK}:{self.ports['api']}{path}", json=body)


@pytest.fixture(scope="module")
def stack(tmp_path_factory, mlflow_server) -> Iterator[Stack]:
    """All of it, once."""
    prometheus, home = program("prometheus"), tmp_path_factory.mktemp("observed")
    (home / "logs").mkdir()
    ports = {name: free_port() for name in ("trainer", "archive", "api")}
    ours = {f"headrace-{name}": f"{LOOPBACK}:{port}" for name, port in ports.items()}
    cli = CommandLine(home)
    with platform(home) as others, Webhook() as hook, LocalAlertmanager(home, hook) as alertmanager:
        cli.environment |= {
            "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": others.broker.bootstrap,
            "HEADRACE_REDIS_URL": others.valkey.url,
            "HEADRACE_INSTANCE": "observed",
            "HEADRACE_ARCHIVE_COMPACT_EVERY_S": "3",
            "HEADRACE_ARCHIVE_EVERY_S": "1",
            "HEADRACE_CHECKPOINT_EVERY_S": "1",
            "MLFLOW_TRACKING_URI": mlflow_server.uri,
        }
        settings = scraping(
            {**ours, **others.targets},
            rules=hurried(home / "rules"), alertmanager=alertmanager.address, blackbox=others.blackbox,
        )  # fmt: skip
        with LocalPrometheus(home, prometheus, free_port(), settings) as server:
            made = Stack(cli, others.broker, ports, hook, alertmanager, server.url)
            try:
                made.start()
                wait_for(lambda: ask(server.url, 'sum(up{job=~"headrace-.*"}) == 3'), timeout_s=300, what="targets")
                yield made
            finally:
                cli.close()


def test_every_query_of_every_dashboard_shows_something(stack):
    """Once requests of each kind were asked; with all the values that the variables find."""
    wait_for(lambda: stack.request("/readyz").status == 200, timeout_s=300, what="the API")
    waiting = panels.asked()

    def nothing_waits() -> bool:
        stack.request("/v1/churn/predict", stack.request("/v1/churn/sample").json())
        stack.request("/v1/churn/predict", {"customer_id": "C000000001"})
        stack.request("/v1/churn/predict", {"nothing": 1})
        known = {file: panels.values(stack.prometheus, file) for file in {one.file for one in waiting}}
        waiting[:] = [
            one for one in waiting if not panels.shows(stack.prometheus, panels.fill(one.query, known[one.file]))
        ]
        return not waiting

    try:
        wait_for(nothing_waits, timeout_s=240, what="every panel")
    except AssertionError:
        raise AssertionError("nothing is shown by " + "\n".join(map(str, waiting))) from None
    assert waiting == []


def test_annotations_are_understood(stack):
    """Whether or not what they mark has happened."""
    for file in {one.file for one in panels.asked()}:
        known = panels.values(stack.prometheus, file)
        for query in panels.annotations(file):
            assert ask(stack.prometheus, panels.fill(query, known)) is not None


def test_a_killed_trainer_is_told_and_resolves(stack):
    """Once for each."""
    before = len(stack.hook.heard)
    stack.trainer.process.send_signal(signal.SIGKILL)
    stack.trainer.process.wait()
    stack.told("TrainerDown", "firing")
    stack.train()
    stack.told("TrainerDown", "resolved")
    assert stack.hook.heard[before:].count(("TrainerDown", "firing")) == 1


def test_a_flood_of_bad_records_is_told_and_resolves(stack):
    """First that there are some, then that they are many; of both there is an end."""
    reads = 'rate(headrace_consumed_total{topic="telecom.usage"}[5s]) > 0'
    wait_for(lambda: ask(stack.prometheus, reads), timeout_s=300, what="a trainer that reads")
    fill(stack.broker.bootstrap, "telecom.usage", [(f"c{number}", b"{") for number in range(2_000)])
    stack.told("DeadLetters", "firing")
    stack.told("DeadLettersFlood", "firing")
    stack.told("DeadLettersFlood", "resolved")
    stack.told("DeadLetters", "resolved")
    assert {("DeadLetters", "firing"), ("DeadLettersFlood", "firing")} <= set(stack.hook.heard)


def test_a_stopped_kafka_is_told_and_resolves(stack):
    """By its own exporter and by ours; a consequence of it stays silent."""
    before = len(stack.hook.heard)
    stack.broker.stop()
    stack.told("KafkaDown", "firing")
    stack.told("KafkaUnreachable", "firing")
    wait_for(lambda: stack.alertmanager.silences("TrainerSilent"), timeout_s=300, what="a silent consequence")
    assert stack.fired(before) & {"TrainerSilent", "TrainingStalled", "NobodyLearns", "ArchiveBehind"} == set()
    stack.broker.start()
    stack.told("KafkaDown", "resolved")
    stack.told("KafkaUnreachable", "resolved")
