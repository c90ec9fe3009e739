"""What a trainer says of its learning in its log."""

import pytest
from structlog.testing import capture_logs

from streaming.merge import Dead, Place
from trainer.changes import Changes
from trainer.drift import Drift
from trainer.learner import Learner
from trainer.status import learner_facts
from usecases.telecom.churn import Churn


class Clock:
    """A clock that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    """A thousand seconds after the start."""
    return Clock()


@pytest.fixture
def learner():
    """It has learned nothing."""
    return Learner(Churn())


def test_a_candidate_that_fails_is_said_once(learner, clock):
    """With its reason, and again by the next process: it rests since."""
    facts = learner_facts(learner) | {"failed": {"logistic": "churn.py:12: ValueError: no"}}
    for _ in range(2):
        changes = Changes(learner, clock)
        with capture_logs() as said:
            changes.look(facts)
            changes.look(facts)
        assert [(line["log_level"], line["candidate"], line["reason"]) for line in said] == [
            ("error", "logistic", "churn.py:12: ValueError: no")
        ]


def test_champions_are_said_at_most_once_a_minute(learner, clock):
    """The last one, and whose place it took."""
    changes, facts = Changes(learner, clock), learner_facts(learner)
    with capture_logs() as said:
        for champion in ("logistic", "forest", "logistic", "forest"):
            changes.look(facts | {"champion": champion})
        clock.now += 61
        changes.look(facts | {"champion": "forest"})
        changes.look(facts | {"champion": None})
    assert [(line["before"], line["candidate"]) for line in said] == [(None, "logistic"), ("logistic", "forest")]


def test_a_drift_is_said_when_it_is_found(learner, clock):
    """Not those of the checkpoint."""
    learner.drifts["logistic"] = Drift()
    learner.drifts["logistic"].found = 2
    changes = Changes(learner, clock)
    with capture_logs() as said:
        changes.look(learner_facts(learner))
        assert said == []
        learner.drifts["logistic"].found, learner.drifts["logistic"].found_at = 3, 0
        for _ in range(2):
            changes.look(learner_facts(learner))
    assert [(line["candidate"], line["at"]) for line in said] == [("logistic", "1970-01-01T00:00:00Z")]


def test_dead_letters_are_one_line_a_minute_for_each_topic(learner, clock):
    """How many, and the first one's reason; none for each of them."""
    changes, facts = Changes(learner, clock), learner_facts(learner)
    with capture_logs() as said:
        for turn in range(3):
            changes.buried([Dead(Place("telecom.usage", 0), 10 * turn + n, None, b"{", "not JSON") for n in range(5)])
            changes.look(facts)
        assert [line["records"] for line in said] == [5]
        clock.now += 61
        changes.look(facts)
        changes.look(facts)
    assert [(line["topic"], line["records"], line["reason"]) for line in said] == [
        ("telecom.usage", 5, "telecom.usage[0]@0: not JSON"),
        ("telecom.usage", 10, "telecom.usage[0]@10: not JSON"),
    ]
