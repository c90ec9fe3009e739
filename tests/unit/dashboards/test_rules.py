"""Rules and alerts name what exists, fire on their faults, and are silent in healthy traffic."""

import re
import subprocess

import pytest
import yaml

from dashboards.__main__ import ROOT
from dashboards.checks import unknown
from tests.api import routes
from tests.programs import program

FOLDER = ROOT / "dashboards" / "prometheus"
RULES = [
    rule
    for file in sorted(FOLDER.glob("*.rules.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
ROUTES = routes()
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_only_metrics_labels_and_routes_that_exist(rule):
    """Ours by their declarations, those of others by the list."""
    assert unknown(rule["expr"], ROUTES) == []


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(name):
    """Severity, summary, and a paragraph of the runbooks with its three parts."""
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
    (paragraph,) = re.findall(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOKS, re.DOTALL | re.MULTILINE)
    assert [part for part in ("Symptom", "Look at", "Do") if f"**{part}.** " not in paragraph] == []


def test_every_paragraph_of_the_runbooks_belongs_to_an_alert():
    """And there are enough of both."""
    assert set(re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE)) == ALERTS.keys()
    assert len(ALERTS) >= 30


def test_every_alert_has_a_fault_that_it_is_tested_with():
    """In the folder of promtool's tests."""
    tests = "".join(file.read_text() for file in (FOLDER / "tests").glob("*.test.yml"))
    assert {name for name in ALERTS if f'alertname="{name}"' not in tests} == set()


def test_promtool_finds_no_mistake_in_the_rules():
    """Its own syntax and types."""
    files = sorted(map(str, FOLDER.glob("*.rules.yml")))
    done = subprocess.run([program("promtool"), "check", "rules", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted((FOLDER / "tests").glob("*.test.yml")), ids=lambda file: file.stem)
def test_alerts_fire_on_their_faults_and_not_in_healthy_traffic(file):
    """By promtool, over made-up series."""
    done = subprocess.run([program("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration():
    """With the rule files that it names."""
    done = subprocess.run(
        [program("promtool"), "check", "config", FOLDER / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "now"), ("warning", "day"), ("info", "nobody")])
def test_alerts_reach_those_whom_their_severity_concerns(severity, receiver):
    """By amtool's routing."""
    done = subprocess.run(
        [program("amtool"), "config", "routes", "test", f"--config.file={FOLDER / 'alertmanager.yml'}",
         f"--verify.receivers={receiver}", f"severity={severity}", "alertname=Any"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_inhibitions_name_alerts_that_exist():
    """Sources and targets; and each cause that an alert names in `after` is one that silences."""
    inhibitions = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["inhibit_rules"]
    matchers = [one for rule in inhibitions for one in rule["source_matchers"] + rule["target_matchers"]]
    named = {name for one in matchers for name in re.findall(r"[A-Z]\w+", one.partition("=")[2])}
    assert named - ALERTS.keys() == set()
    causes = {cause for rule in ALERTS.values() for cause in rule["labels"].get("after", "").split("-") if cause}
    assert {cause for cause in causes if not any(f"?{cause}(" in one for one in matchers)} == set()


def test_routes_that_the_tests_of_rules_name_are_routes_of_the_api():
    """As their templates: a renamed route must not silence an alert."""
    text = "".join(file.read_text() for file in [*FOLDER.glob("*.yml"), *(FOLDER / "tests").glob("*.yml")])
    named = set(re.findall(r'route="([^"]+)"', text))
    assert named
    assert named - ROUTES == set()
