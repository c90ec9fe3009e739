"""Real Prometheus and Alertmanager beside a real stack: panels show something, faults are told and resolve."""

import re
import signal
from dataclasses import dataclass

import pytest
import urllib3

from dashboards.boards import BOARDS
from headrace.local.kafka import LocalKafka
from headrace.local.ports import LOOPBACK, free_port
from headrace.local.prometheus import LocalPrometheus, configuration
from tests.alerting import LocalAlertmanager, Webhook, ask, hurried
from tests.programs import program
from tests.support import CommandLine, Running, fill, wait_for

OURS = ("overview", "learning", "serving", "streams")
ELSEWHERE = {"MLflow answers", "Points that wait", "A version is due", "Versions and failed visits"}
"""Panels of a server that does not run here."""


@dataclass
class Stack:
    """A broker, events, a trainer, the archive and the API, watched."""

    cli: CommandLine
    broker: LocalKafka
    ports: dict[str, int]
    prometheus: LocalPrometheus
    hook: Webhook
    trainer: Running | None = None

    def train(self) -> None:
        """Start the trainer, on its own port."""
        self.trainer = self.cli.start("train", "churn", HEADRACE_MONITOR__PORT=str(self.ports["train churn"]))

    def told(self, alert: str, state: str) -> None:
        """Wait until the webhook heard it."""
        wait_for(lambda: self.hook.states.get(alert) == state, timeout_s=120, what=f"{alert} {state}")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """All of it, once."""
    prometheus = program("prometheus")
    program("prometheus-alertmanager", "alertmanager")
    home = tmp_path_factory.mktemp("observed")
    (home / "logs").mkdir()
    ports = {name: free_port() for name in ("train churn", "archive", "api")}
    targets = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    cli = CommandLine(home)
    with Webhook() as hook, LocalKafka(home / "kafka") as broker, LocalAlertmanager(home, hook) as alertmanager:
        settings = configuration(targets, rules=hurried(home / "rules"), alertmanager=alertmanager.address, every="1s")
        with LocalPrometheus(home, prometheus, free_port(), settings) as server:
            cli.environment |= {
                "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
                "HEADRACE_INSTANCE": "observed",
                "HEADRACE_ARCHIVE_COMPACT_EVERY_S": "3",
                "HEADRACE_ARCHIVE_EVERY_S": "1",
                "HEADRACE_CHECKPOINT_EVERY_S": "1",
            }
            made = Stack(cli, broker, ports, server, hook)
            cli.start("produce", "telecom", "--rate", "500")
            made.train()
            cli.start("archive", "telecom.usage", HEADRACE_MONITOR__PORT=str(ports["archive"]))
            cli.start("serve", "--port", str(ports["api"]))
            try:
                wait_for(lambda: ask(server.url, 'sum(up{job=~"headrace-.*"}) == 3'), timeout_s=120, what="targets")
                yield made
            finally:
                cli.close()


def test_every_panel_of_ours_shows_something(stack):
    """Its query has an answer, once requests of each kind were asked."""
    api = f"http://{LOOPBACK}:{stack.ports['api']}"
    wait_for(lambda: urllib3.request("GET", f"{api}/readyz").status == 200, what="the API")
    waiting = {
        panel.title: query
        for name in OURS
        for panel in BOARDS[name].panels
        for query in panel.queries.values()
        if panel.title not in ELSEWHERE
    }

    def nothing_waits() -> bool:
        body = urllib3.request("GET", f"{api}/v1/churn/sample").json()
        urllib3.request("POST", f"{api}/v1/churn/predict", json=body)
        urllib3.request("POST", f"{api}/v1/churn/predict", json={"customer_id": "C000000001"})
        urllib3.request("POST", f"{api}/v1/churn/predict", json={"nothing": 1})
        for title, query in list(waiting.items()):
            if ask(stack.prometheus.url, in_a_hurry(query)):
                del waiting[title]
        return not waiting

    try:
        wait_for(nothing_waits, timeout_s=120, what="every panel")
    except AssertionError:
        raise AssertionError(f"nothing is shown by {waiting}") from None


def test_a_killed_trainer_is_told_and_resolves(stack):
    """And no other alert of the trainer with it."""
    stack.trainer.process.send_signal(signal.SIGKILL)
    stack.trainer.process.wait()
    stack.told("TrainerDown", "firing")
    stack.train()
    stack.told("TrainerDown", "resolved")


def test_a_flood_of_bad_records_is_told_and_resolves(stack):
    """By topic."""
    fill(stack.broker.bootstrap, "telecom.usage", [(f"c{number}", b"{") for number in range(500)])
    stack.told("DeadLetters", "firing")
    stack.told("DeadLetters", "resolved")


def test_a_stopped_kafka_is_told_once_and_resolves(stack):
    """Its consequences stay silent."""
    heard = len(stack.hook.heard)
    stack.broker.stop()
    stack.told("KafkaUnreachable", "firing")
    stack.broker.start()
    stack.told("KafkaUnreachable", "resolved")
    fired = {alert for alert, state in stack.hook.heard[heard:] if state == "firing"}
    assert fired & {"TrainerSilent", "TrainingStalled", "NobodyLearns", "ArchiveBehind"} == set()


def in_a_hurry(query: str) -> str:
    """A panel's query with its variables filled in, and seconds for minutes."""
    plain = re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "10s"))
    return re.sub(r"\[(\d+)[mh]\]", r"[\g<1>0s]", plain)
