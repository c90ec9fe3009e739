"""Prometheus beside the local stack."""

import itertools
import json
import os
import shutil

import pytest
import urllib3

from headrace.local.parts import ArchivePart, PrometheusPart, Stack, TrainersPart
from headrace.local.ports import free_port
from headrace.local.processes import Child, Supervisor
from headrace.local.prometheus import RULES, LocalPrometheus, configuration
from streaming.settings import Kafka, Settings
from tests.programs import program


@pytest.fixture
def said():
    """What the stack told."""
    return []


@pytest.fixture
def stack(tmp_path, said):
    """Two use cases and a topic; nothing is really started."""
    return Stack(
        home=tmp_path, settings=Settings(), kafka=Kafka(), kafka_given=False, use_cases=["plan", "churn"],
        topics=["telecom.usage"], simulators=[], rate="max", supervisor=Supervisor(), say=said.append,
    )  # fmt: skip


def scraped(text):
    """Job -> addresses."""
    return {
        job["job_name"]: [target for one in job["static_configs"] for target in one["targets"]]
        for job in json.loads(text)["scrape_configs"]
    }


def test_every_service_is_scraped_under_the_name_that_the_rules_know():
    """Several trainers are one job."""
    targets = {"train plan": "http://127.0.0.1:1", "train churn": "http://127.0.0.1:2", "api": "http://127.0.0.1:3"}
    jobs = scraped(configuration(targets))
    assert jobs == {"headrace-trainer": ["127.0.0.1:1", "127.0.0.1:2"], "headrace-api": ["127.0.0.1:3"]}


def test_trainers_and_archive_are_given_ports_of_their_own_and_they_are_shown(stack, monkeypatch):
    """By the settings, and among the addresses."""
    started: list[Child] = []
    monkeypatch.setattr(stack.supervisor, "start", started.extend)
    TrainersPart().start(stack)
    ArchivePart().start(stack)
    ports = [child._environment["HEADRACE_MONITOR__PORT"] for child in started]
    assert len(set(ports)) == 3
    names = ("train plan", "train churn", "archive")
    shown = [stack.addresses[f"metrics of {name}"] for name in names]
    assert shown == [f"http://127.0.0.1:{port}/metrics" for port in ports]


def test_without_prometheus_another_way_is_named(stack, said, monkeypatch):
    """It is no reason not to start."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    part = PrometheusPart()
    part.start(stack)
    assert part.answers(stack)
    assert "headrace watch" in said[-1]
    assert "prometheus" not in stack.addresses


def test_a_prometheus_that_cannot_run_holds_nothing_up(stack, said, monkeypatch, tmp_path):
    """It is tried again, then left alone, and not shown."""
    broken = tmp_path / "bin" / "prometheus"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho ERROR no room; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent), prepend=os.pathsep)
    seconds = itertools.count(step=4)
    stack.supervisor = Supervisor(lambda: next(seconds))
    part = PrometheusPart()
    part.start(stack)
    assert stack.addresses["prometheus"]
    assert not part.answers(stack)
    while not part.answers(stack):
        assert part._server
        assert part._server.child.wait(30)
        said += stack.supervisor.check()
    assert "prometheus" not in stack.addresses
    assert "left alone" in said[-1]


def test_a_real_prometheus_takes_the_rules_of_the_project(tmp_path):
    """All of them."""
    prometheus = program("prometheus")
    (tmp_path / "logs").mkdir()
    settings = configuration({"api": "http://127.0.0.1:9"})
    with LocalPrometheus(tmp_path, prometheus, free_port(), settings) as server:
        groups = urllib3.request("GET", f"{server.url}/api/v1/rules").json()["data"]["groups"]
    assert {group["file"].rpartition("/")[2] for group in groups} == {file.name for file in RULES.glob("*.rules.yml")}
