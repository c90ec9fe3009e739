"""What was served has scored what the champions said when they were asked."""

import pickle
import random

import pytest
from river import base, metrics
from typing_extensions import TypedDict

from streaming.merge import Moment, Record
from streaming.topics import Topic
from streaming.usecase import Answer, Question, UseCase, on
from trainer.adoption import adopt
from trainer.learner import Learner, State


class Said(TypedDict):
    """A question, or its answer."""

    key: str
    time: float
    y: bool | None


SAID = Topic("said", Said, key="key", time="time")


class Always(base.Classifier):
    """One label for everything."""

    def __init__(self, label: bool) -> None:
        self.label = label

    def learn_one(self, x, y) -> None:
        """Nothing."""

    def predict_proba_one(self, x, **kwargs):
        return {self.label: 1.0}


class Turning(UseCase):
    """Each of two candidates is right for a while."""

    topics = (SAID,)
    metric = metrics.Accuracy
    window = 200
    candidates = {"yes": lambda: Always(True), "no": lambda: Always(False)}

    @on(SAID)
    def hear(self, event, profile):
        if event["y"] is None:
            yield Question(key=event["key"], x={"a": 1.0}, id=event["key"])
        else:
            yield Answer(y=event["y"], id=event["key"])


class Alone(Turning):
    """One candidate is served whatever it says."""

    candidates = {"yes": lambda: Always(True)}


def moment(at: int, key: str, y: bool | None) -> Moment:
    event = {"key": key, "time": float(at), "y": y}
    return Moment(at, late=False, records=[Record(at, 0, b"", 0, 0, "said", event, b"{}", 0.0)])


def question_and_answer(learner: Learner, number: int, y: bool, asked_before: int = 0) -> None:
    learner.process(moment(10 * number + 1, str(number), None))
    answered = number - asked_before
    if answered >= 0:
        learner.process(moment(10 * number + 2, str(answered), y))


@pytest.mark.parametrize("asked_before", [0, 150])
def test_each_prediction_counts_for_whoever_was_champion_when_it_was_asked(asked_before):
    """Worked out beside it, from what was champion at each question."""
    learner, dice = Learner(Turning()), random.Random(1)
    champions: list[str | None] = []
    right: list[bool] = []
    as_one = set()
    for number in range(2_000):
        champions.append(learner.champion)
        y = dice.random() < (0.9 if number < 1_000 else 0.1)
        question_and_answer(learner, number, y, asked_before)
        answered = number - asked_before
        if answered >= 0 and champions[answered]:
            right.append(y == (champions[answered] == "yes"))
            assert learner.served["Accuracy"] == pytest.approx(sum(right) / len(right), abs=1e-12)
            lately = right[-Turning.window :]
            assert learner.served["rolling_Accuracy"] == pytest.approx(sum(lately) / len(lately), abs=1e-12)
            as_one.add(learner.state.served and learner.state.served.as_one)
    assert {"yes", "no"} < set(champions)  # and None, before the first answer
    assert as_one == {None, "yes", "no"}  # a window of each, and windows of both
    own = [candidate.scores.values()["Accuracy"] or 0.0 for candidate in learner.state.candidates.values()]
    assert sum(right) / len(right) > max(own) + 0.1  # each was served while it was right


def test_one_candidate_alone_is_what_was_served():
    """It is not scored twice."""
    learner = Learner(Alone())
    for number in range(30):
        question_and_answer(learner, number, number % 3 == 0)
    assert learner.served == learner.state.candidates["yes"].scores.values()
    assert learner.state.served is not None
    assert learner.state.served.scores.answers == 0


@pytest.mark.parametrize("restart", [150, 450])
def test_it_survives_a_restart_and_a_state_that_did_not_know_it(restart):
    """From a pickle it goes on, also from one whose window is its champion's; from an older one it begins."""
    whole, first = Learner(Turning()), Learner(Turning())
    for number in range(600):
        question_and_answer(whole, number, number % 4 > 0)
    for number in range(restart):
        question_and_answer(first, number, number % 4 > 0)
    assert (first.state.served and first.state.served.as_one) == ("yes" if restart > 200 else None)
    state: State = pickle.loads(pickle.dumps(first.state))
    assert adopt(Turning(), state) == []
    second = Learner(Turning(), state)
    for number in range(restart, 600):
        question_and_answer(second, number, number % 4 > 0)
    assert second.served == whole.served
    old: State = pickle.loads(pickle.dumps(first.state))
    del vars(old)["served"], vars(old)["drifts"]
    assert adopt(Turning(), old) == []
    assert Learner(Turning(), old).served == {"Accuracy": None, "rolling_Accuracy": None}


def test_another_metric_begins_anew():
    """As the candidates' own metrics."""

    class Other(Turning):
        metric = metrics.F1  # type: ignore[assignment]

    learner = Learner(Turning())
    for number in range(50):
        question_and_answer(learner, number, y=True)
    state = pickle.loads(pickle.dumps(learner.state))
    adopt(Other(), state)
    assert Learner(Other(), state).served == {"F1": None, "rolling_F1": None}
