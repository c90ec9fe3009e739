"""From a service's metrics to a webhook, through real Prometheus and Alertmanager."""

import pytest

from headrace.local.ports import LOOPBACK, free_port
from headrace.local.prometheus import LocalPrometheus, configuration
from streaming import metrics
from streaming.monitor import Server
from streaming.settings import Monitor
from tests.alerting import LocalAlertmanager, Webhook, ask, hurried
from tests.programs import program
from tests.support import wait_for


@pytest.fixture
def watched(tmp_path):
    """A trainer's port, Prometheus with the project's rules in a hurry, and a webhook."""
    prometheus, port = program("prometheus"), free_port()
    (tmp_path / "logs").mkdir()
    targets = {"train churn": f"http://{LOOPBACK}:{port}"}
    with Webhook() as hook, LocalAlertmanager(tmp_path, hook) as alertmanager:
        rules = hurried(tmp_path / "rules")
        settings = configuration(targets, rules=rules, alertmanager=alertmanager.address, every="1s")
        with LocalPrometheus(tmp_path, prometheus, free_port(), settings) as server:
            yield Monitor(port=port), server, hook


def trainer(monitor):
    """What shows the trainer's metrics."""
    return Server(monitor, metrics.TRAINER, lambda: None)


def test_a_trainer_that_goes_is_told_and_one_that_comes_back_too(watched):
    """Its consequences stay silent meanwhile: nobody learns is one."""
    monitor, server, hook = watched
    metrics.SEATS.labels("churn").set(1)
    with trainer(monitor):
        wait_for(lambda: ask(server.url, "headrace_seats == 1"), what="a first scrape")
    wait_for(lambda: hook.states.get("TrainerDown") == "firing", what="the alert")
    with trainer(monitor):
        wait_for(lambda: hook.states.get("TrainerDown") == "resolved", what="its end")
    assert {alert for alert, _ in hook.heard} == {"TrainerDown"}


def test_a_cause_silences_its_consequences(watched):
    """Where Kafka cannot be reached, nobody need be told that nobody learns."""
    monitor, server, hook = watched
    with trainer(monitor):
        metrics.KAFKA_BROKERS.labels("seat").set(0)
        metrics.SEATS.labels("churn").set(0)
        wait_for(lambda: hook.states.get("KafkaUnreachable") == "firing", what="the cause")
        wait_for(
            lambda: ask(server.url, 'ALERTS{alertname="NobodyLearns",alertstate="firing"}'), what="its consequence"
        )
        metrics.KAFKA_BROKERS.labels("seat").set(1)
        wait_for(lambda: hook.states.get("KafkaUnreachable") == "resolved", what="the end of the cause")
        wait_for(lambda: hook.states.get("NobodyLearns") == "firing", what="what is no consequence any more")
        first = [alert for alert, _ in hook.heard].index("NobodyLearns")
        assert ("KafkaUnreachable", "resolved") in hook.heard[: first + 1]
    metrics.SEATS.clear()
    metrics.KAFKA_BROKERS.clear()
