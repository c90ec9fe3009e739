"""What a trainer shows to Prometheus."""

import math
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from river import dummy, linear_model, metrics
from typing_extensions import TypedDict

from streaming.checkpoints import Checkpoints
from streaming.errors import Unavailable
from streaming.merge import Dead, Moment, Place, Record
from streaming.settings import Kafka
from streaming.store import Store
from streaming.topics import Topic
from streaming.usecase import Answer, Question, UseCase, on
from tests.support import wait_for
from trainer import publisher as publishing
from trainer.drift import Drift
from trainer.learner import Counts, Learner
from trainer.observed import Observer, Read
from trainer.publisher import Progress, Publisher
from trainer.saver import Saver
from trainer.status import learner_facts


class Said(TypedDict):
    """A question, or its answer."""

    key: str
    time: float
    y: bool | None


SAID = Topic("said", Said, key="key", time="time")


class Observed(UseCase):
    """Questions that are answered."""

    topics = (SAID,)
    metric = metrics.Accuracy
    candidates = {"logistic": linear_model.LogisticRegression, "prior": dummy.NoChangeClassifier}

    @on(SAID)
    def hear(self, event, profile):
        """No answer: a question."""
        if event["y"] is None:
            yield Question(key=event["key"], x={"a": 1.0}, id=event["key"])
        else:
            yield Answer(y=event["y"], id=event["key"])


def moment(time, *events, late=False):
    """Events as (key, y)."""
    at = round(time * 1_000_000)
    records = [Record(at, 0, b"", 0, 0, "said", {"key": k, "time": time, "y": y}, b"{}", 0.0) for k, y in events]
    return Moment(at, late, records)


def value(name, **labels):
    """One sample of the shard, None where there is none."""
    return REGISTRY.get_sample_value(name, {"use_case": "observed", "shard": "0", **labels})


@pytest.fixture
def learner():
    """It knows nothing yet."""
    return Learner(Observed())


@pytest.fixture
def observer(learner):
    """Of that learner."""
    made = Observer("observed", "0", learner)
    yield made
    made.close()


def test_counters_count_what_happened_here(learner):
    """What a checkpoint brought along was counted by the process that learned it."""
    learner.state.counts = Counts(events=1_000, learned=400)
    observer = Observer("observed", "0", learner)
    learner.process(moment(1, ("a", None), ("b", None)))
    learner.process(moment(3, ("a", True)))
    for _ in range(2):  # a second look at the same numbers adds nothing
        observer.learned(learner, learner_facts(learner))
    assert value("headrace_events_total") == 3
    assert value("headrace_learned_total") == 1
    assert value("headrace_pending") == 1
    assert (value("headrace_joined_total"), value("headrace_label_delay_seconds_total")) == (1, 2.0)
    observer.close()


def test_consumed_records_are_those_after_the_first_offsets(observer):
    """By topic, over its partitions."""
    observer.begin({Place("said", 0): 500, Place("said", 1): 20})
    observer.read(Read({Place("said", 0): 510, Place("said", 1): 25}, {"said": 7}, 100.0, training=True), 103.0)
    assert value("headrace_consumed_total", topic="said") == 15
    assert value("headrace_lag_records", topic="said") == 7
    assert (value("headrace_lag_seconds"), value("headrace_training_enabled")) == (3.0, 1)


def test_with_nothing_behind_there_is_no_lag_in_seconds(observer):
    """However long ago the last record came."""
    observer.read(Read({}, {"said": 0}, None, training=False), 9_999.0)
    assert (value("headrace_lag_seconds"), value("headrace_training_enabled")) == (0.0, 0)


def test_metrics_of_candidates_and_the_champion(learner, observer):
    """One champion, over both windows; a metric without a value yet is no number."""
    facts = learner_facts(learner)
    observer.learned(learner, facts)
    of = {"candidate": "prior", "metric": "Accuracy", "window": "life"}
    assert value("headrace_metric", **of) != value("headrace_metric", **of)  # not a number
    facts |= {"champion": "prior"}
    facts["candidates"]["prior"] = {"Accuracy": 0.75, "rolling_Accuracy": 0.5}
    observer.learned(learner, facts)
    assert (value("headrace_metric", **of), value("headrace_metric", **of | {"window": "rolling"})) == (0.75, 0.5)
    champions = {name: value("headrace_champion_info", candidate=name) for name in facts["candidates"]}
    assert champions == {"logistic": 0, "prior": 1}
    assert value("headrace_champion_changes_total") == 0
    observer.learned(learner, facts | {"champion": "logistic"})
    assert value("headrace_champion_changes_total") == 1


def test_what_was_served_has_its_metric(learner, observer):
    """Over both windows."""
    facts = learner_facts(learner) | {"served": {"Accuracy": 0.75, "rolling_Accuracy": None}}
    observer.learned(learner, facts)
    assert value("headrace_served_metric", metric="Accuracy", window="life") == 0.75
    assert math.isnan(value("headrace_served_metric", metric="Accuracy", window="rolling"))


def test_drifts_of_the_checkpoint_are_not_counted_again(learner):
    """And a candidate that was not looked at yet has a zero: a rise needs one."""
    learner.drifts["prior"] = Drift()
    learner.drifts["prior"].found = 3
    observer = Observer("observed", "0", learner)
    learner.drifts["prior"].found = 4
    observer.learned(learner, learner_facts(learner))
    assert value("headrace_drifts_total", candidate="prior") == 1
    assert value("headrace_drifts_total", candidate="logistic") == 0
    observer.close()


def test_counters_are_there_before_anything_happens(observer):
    """Prometheus sees no rise from nothing to one."""
    observer.begin({Place("said", 0): 5})
    assert value("headrace_late_total", topic="said") == 0
    assert [value("headrace_dead_total", topic="said", reason=reason) for reason in ("record", "handler")] == [0, 0]


def test_dead_letters_and_late_events_are_counted_by_topic(observer):
    """A handler's failure is told from a bad record."""
    bad = Dead(Place("said", 0), 1, None, b"{", "not JSON")
    observer.buried([bad, bad, bad._replace(use_case="observed")])
    observer.late(moment(1, ("a", None), ("b", None), late=True))
    assert value("headrace_dead_total", topic="said", reason="record") == 2
    assert value("headrace_dead_total", topic="said", reason="handler") == 1
    assert value("headrace_late_total", topic="said") == 2


def test_candidates_are_timed_only_while_they_should_be(learner, observer):
    """A prediction and a lesson of each; afterwards the plain calls are back."""
    learner.begin_timing(observer.costs)
    learner.process(moment(1, ("a", None), ("a", True)))
    learner.end_timing()
    learner.process(moment(2, ("b", None), ("b", True)))
    observer.learned(learner, learner_facts(learner))
    for name in Observed.candidates:
        assert value("headrace_candidate_timed_total", candidate=name) == 2
        assert value("headrace_candidate_seconds_total", candidate=name) > 0


def test_a_shard_that_is_given_back_leaves_no_series(learner, observer):
    """Another copy shows them from now on."""
    observer.learned(learner, learner_facts(learner))
    observer.close()
    assert value("headrace_pending") is None
    assert value("headrace_events_total") is None


def values(*names):
    """Samples of the shard, by the ends of their names."""
    return {name: value(f"headrace_{name}") for name in names}


def test_before_the_first_checkpoint_nothing_is_said_of_its_time(observer):
    """It would be 1970; that none has failed is said."""
    observer.saved(SimpleNamespace(stored=0, failures=0, refused=3, sizes={}))
    assert values("checkpoints_total", "checkpoint_failures_total", "checkpoint_refused") == {
        "checkpoints_total": 0,
        "checkpoint_failures_total": 0,
        "checkpoint_refused": 3,
    }
    assert value("headrace_checkpoint_time_seconds") is None


def test_checkpoints_are_shown_as_the_saver_made_them(observer, tmp_path):
    """Those that are stored and those that failed; of the newest its time, seconds, pause and bytes."""
    checkpoints = Checkpoints(Store(tmp_path.as_uri()), "observed", "0", b"k")
    checkpoints.claim(lambda stored: stored)
    saver = Saver(checkpoints, every_s=0, deadline_s=60, before_put=lambda: None)

    def stored():
        saver.look()
        return not saver.busy

    def save(dump):
        saver.start(dump, {Place("said", 0): 1}, 1, {"prior": b"x" * 1000})
        wait_for(stored, what="the checkpoint")
        observer.saved(saver)

    began = time.time()
    state = os.urandom(5_000)  # nothing makes it smaller
    save(lambda: state)
    save(lambda: 1 / 0)
    saver.close()
    assert values("checkpoints_total", "checkpoint_failures_total") == {
        "checkpoints_total": 1,
        "checkpoint_failures_total": 1,
    }
    assert began <= value("headrace_checkpoint_time_seconds") <= time.time()
    assert 0 < value("headrace_checkpoint_seconds") <= time.time() - began
    assert 0 < value("headrace_checkpoint_pause_seconds") == saver.pause_s
    (written,) = [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_size > 5_000]
    assert value("headrace_checkpoint_bytes") == written.stat().st_size
    assert value("headrace_candidate_bytes", candidate="prior") == 1018


class Away:
    """A store that takes every second object, and a producer that takes everything."""

    def __init__(self):
        self.sizes = []

    def put_new(self, _name, sealed):
        """First yes, then no."""
        self.sizes.append(len(sealed))
        if len(self.sizes) % 2 == 0:
            raise Unavailable("the store is away")

    def names(self, _folder):
        """There is nothing to prune."""
        return []

    def produce(self, *_, **__):
        """Pointers."""

    def poll(self, _timeout_s):
        """Nothing comes back."""


def test_snapshots_are_shown_as_the_publisher_made_them(observer, monkeypatch):
    """Those that were published, the bytes of the newest, those that were not, and the views that wait."""
    monkeypatch.setattr(publishing, "read_latest", lambda *_: {})
    monkeypatch.setattr(publishing, "_EVERY_S", 0.0)
    monkeypatch.setattr(publishing, "SHARE", 0)
    away: Any = Away()
    publisher = Publisher(Kafka(), away, away, b"k", ("observed", "0", 1))
    candidate = Learner(Observed()).state.candidates["prior"]
    for learned in (1, 2):
        progress = Progress(learned, None, {})

        def tried(progress=progress, wanted=learned):
            publisher.look(progress, lambda: candidate, behind=False)
            return publisher.published + publisher.failures == wanted

        wait_for(tried, what="the snapshot")
    publisher.close()
    observer.published(publisher, None, 17)
    assert values("snapshots_total", "snapshot_failures_total", "snapshot_bytes", "views_waiting") == {
        "snapshots_total": 1,
        "snapshot_failures_total": 1,
        "snapshot_bytes": away.sizes[0],
        "views_waiting": 17,
    }
    assert value("headrace_mlflow_up") is None  # there is none


def test_what_is_on_its_way_to_mlflow_is_shown(observer):
    """Each fact under its own name; counters by what was added."""
    nothing = SimpleNamespace(published=0, failures=0, size=0)
    runs = {"prior": ("12", "af3")}
    registrar = SimpleNamespace(up=True, points=7, pending=False, registered=2, failures=5, runs=runs)
    observer.published(nothing, registrar, 0)
    registrar.up, registrar.points, registrar.pending = False, 9, True
    registrar.registered, registrar.failures = 3, 9
    observer.published(nothing, registrar, 0)
    assert values(
        "mlflow_up",
        "mlflow_waiting_points",
        "registration_pending",
        "registrations_total",
        "mlflow_failures_total",
    ) == {
        "mlflow_up": 0,
        "mlflow_waiting_points": 9,
        "registration_pending": 1,
        "registrations_total": 3,
        "mlflow_failures_total": 9,
    }
    assert value("headrace_mlflow_run_info", candidate="prior", experiment="12", run="af3") == 1
