"""Fixtures for every test: a real broker, the command line, an environment that says nothing."""

import os
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext

import pytest

from headrace.local.kafka import LocalKafka
from headrace.local.mlflow import LocalMLflow
from tests import (
    examples,  # noqa: F401  # its profiles must be known before `--hypothesis-profile` is read
    warm,
)
from tests.support import CommandLine


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real broker that lives as long as the test run: give topics names of your own (`unique`)."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMLflow]:
    """A real MLflow that lives as long as the test run: give use cases names of your own."""
    with LocalMLflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def nursery() -> ForkServerContext:
    """Where processes come from that have everything imported (`tests.warm.WarmLine`)."""
    return warm.nursery()


@pytest.fixture
def cli(tmp_path) -> Iterator[CommandLine]:
    """`cli("train", "churn")` runs to its end, `cli.start(...)` in the background; both in this test's folder."""
    runner = CommandLine(tmp_path)
    yield runner
    runner.close()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch) -> None:
    """Settings of the person who runs the tests must not reach them."""
    for name in list(os.environ):
        if name.startswith("HEADRACE_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
