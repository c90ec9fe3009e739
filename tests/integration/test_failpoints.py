"""Killed right before and right after every step that matters, each process goes on as if nothing had happened."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from headrace.local.kafka import LocalKafka
from streaming.failpoints import STEPS
from streaming.tracking import connect
from streaming.versions import Versions
from tests.soak import truth
from tests.soak.filled import fill, reference
from tests.soak.parcels import ARRIVED, SENT, Parcels
from tests.support import unique
from tests.warm import WarmLine
from trainer.summary import summary

EVENTS = 1_500
KEY = "a key of the tests"
ARCHIVE = ["open-table", "poll-archive", "write-delta", "commit-archived", "compact-table"]
MLFLOW = ["register", "move-aliases"]
ELSEWHERE = ["send-letters-back"]
"""Steps of commands, tested with them."""
TRAINER = [step for step in STEPS if step not in ARCHIVE + MLFLOW + ELSEWHERE]
COUNTS = {"learn": 300, "poll": 3, "fork": 3, "put-checkpoint": 2}
"""Where the first time would be too early to have something to lose."""
EARLIER = {"prune-checkpoint": ["put-checkpoint:after:2", "put-checkpoint:after"]}
"""What has to happen before a step is reached at all: pruning wants a fourth checkpoint."""


@dataclass
class Filled:
    """A broker whose topics were complete before anyone learned, and what a learner makes of them."""

    bootstrap: str
    log: truth.Log
    whole: dict[str, Any]


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Iterator[Filled]:
    """The reference is the pure learner, over the same records in the same merge."""
    with LocalKafka(tmp_path_factory.mktemp("failpoints")) as broker:
        log = fill(broker.bootstrap, seed=11, events=EVENTS)
        yield Filled(broker.bootstrap, log, numbers(summary([(reference(log), {})])))


@pytest.fixture
def warm(tmp_path: Path, filled: Filled, nursery: ForkServerContext) -> Iterator[WarmLine]:
    """A store of this test's own."""
    line = WarmLine(tmp_path, nursery)
    line.environment |= {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": filled.bootstrap,
        "HEADRACE_STORE": (tmp_path / "store").as_uri(),
        "HEADRACE_SIGNING_KEY": KEY,
        "HEADRACE_USE_CASES": "tests.soak.parcels",
        "HEADRACE_INSTANCE": unique("copy"),
        "HEADRACE_CHECKPOINT_EVERY_S": "0.05",
        "HEADRACE_ARCHIVE_ROWS": "300",
        "HEADRACE_ARCHIVE_EVERY_S": "0.1",
        "HEADRACE_ARCHIVE_COMPACT_EVERY_S": "0.2",
    }
    yield line
    line.close()


def numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: all but the offsets."""
    return {name: value for name, value in json.loads(json.dumps(summary)).items() if name != "offsets"}


def die(warm: WarmLine, place: str, *command: str, **environment: str) -> None:
    """Run until the process has killed itself there; one that is still alive or ended by itself never came there."""
    running = warm.start(*command, HEADRACE_FAILPOINT=place, **environment)
    assert running.finish(90) == -signal.SIGKILL, running.complained
    assert f"will kill itself at {place}" in running.complained


def learned(warm: WarmLine, **environment: str) -> dict[str, Any]:
    """The summary of a run to the end."""
    running = warm.start("train", "parcels", "--until-end", **environment)
    assert running.finish(90) == 0, running.complained
    return numbers(json.loads(running.said.splitlines()[-1]))


def test_an_uninterrupted_run_gives_the_numbers_of_the_pure_learner(warm, filled):
    assert learned(warm) == filled.whole
    assert filled.whole["dead"] == len(filled.log.letters()) > len(filled.log.broken) > 0
    assert 0 < filled.whole["duplicates"] < filled.whole["answers"]


@pytest.mark.parametrize("step", TRAINER)
def test_a_trainer_killed_before_and_after_a_step_ends_with_the_numbers_of_an_uninterrupted_run(warm, filled, step):
    for place in EARLIER.get(step, []):
        die(warm, place, "train", "parcels")
    for moment in ("before", "after"):
        die(warm, f"{step}:{moment}:{COUNTS.get(step, 1)}", "train", "parcels")
    assert learned(warm) == filled.whole
    kept = truth.newest_checkpoint(Parcels(), warm.environment["HEADRACE_STORE"], KEY)
    assert kept is not None
    assert truth.learning(filled.log, kept.order) == (0, 0, 0)


@pytest.mark.parametrize("step", MLFLOW)
def test_a_trainer_killed_around_a_version_registers_none_twice(warm, filled, mlflow_server, step):
    settings = {
        "MLFLOW_TRACKING_URI": mlflow_server.uri,
        "HEADRACE_REGISTER_EVERY_S": "0",
        "HEADRACE_REGISTER_MAX_AGE_S": "0.001",
    }
    for moment in ("before", "after"):
        die(warm, f"{step}:{moment}", "train", "parcels", **settings)
    assert learned(warm, **settings) == filled.whole
    versions = Versions(connect(mlflow_server.uri), "parcels")
    found = [version for version in versions.all() if version.learner == newest_learner(warm)]
    assert len({version.object for version in found}) == len(found) > 0
    assert versions.aliases()["champion"] in {version.number for version in found}


@pytest.mark.parametrize("step", ARCHIVE)
def test_an_archive_killed_before_and_after_a_step_ends_with_each_record_once(warm, filled, step):
    command = "archive", SENT.name, ARRIVED.name
    for moment in ("before", "after"):
        die(warm, f"{step}:{moment}", *command)
    final = warm.start(*command, "--until-end")
    assert final.finish(90) == 0, final.complained
    assert truth.archive(filled.log, warm.environment["HEADRACE_STORE"]) == (0, 0, 0)


def newest_learner(warm: WarmLine) -> str:
    """The id of the learner's life in this test's store."""
    from streaming.checkpoints import Checkpoints
    from streaming.store import Store

    row = Checkpoints(Store(warm.environment["HEADRACE_STORE"]), "parcels", "0", KEY.encode())
    learner, _, _ = row._newest(row._numbers())
    assert learner is not None
    return learner
