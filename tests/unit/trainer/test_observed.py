"""What a trainer shows to Prometheus."""

import math

import pytest
from prometheus_client import REGISTRY
from river import dummy, linear_model, metrics
from typing_extensions import TypedDict

from streaming.merge import Dead, Moment, Place, Record
from streaming.topics import Topic
from streaming.usecase import Answer, Question, UseCase, on
from trainer.drift import Drift
from trainer.learner import Counts, Learner
from trainer.observed import Observer, Read
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
