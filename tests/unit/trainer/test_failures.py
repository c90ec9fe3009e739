"""What a failure in a use case's own code is told as."""

import inspect
from typing import Any

import pytest
from river import linear_model, metrics, preprocessing
from typing_extensions import TypedDict

from streaming.errors import HeadraceError
from streaming.merge import Moment, Record
from streaming.topics import Topic
from streaming.usecase import Example, Question, UseCase, given, on
from trainer.failures import what_was_given
from trainer.learner import Learner


class Heard(TypedDict):
    """An event."""

    key: str
    time: float


HEARD = Topic("heard", Heard, key="key", time="time")


class Parcels(UseCase):
    """Its outcome is what each test wants."""

    topics = (HEARD,)
    metric = metrics.MAE
    candidates = {"linear": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression()}

    @on(HEARD)
    def learn(self, event, _profile):
        return self.outcomes(event)

    def outcomes(self, event):
        yield Example(key="k", x=self.features(event, {}), y=1.0)

    def features(self, event, view):
        return given(("km",), event, view)


def learned(use_case: UseCase) -> tuple[Learner, str | None]:
    """One event; the learner, and the reason of the dead letter if there is one."""
    learner = Learner(use_case)
    record = Record(0, 0, b"k", 0, 0, HEARD.name, {"key": "k", "time": 0.0}, b"{}", 0.0)
    dead = learner.process(Moment(0, False, [record]))
    return learner, dead[0].reason if dead else None


def line(function: Any, text: str) -> int:
    """Where in this file it says so."""
    lines, first = inspect.getsourcelines(function)
    return first + next(at for at, one in enumerate(lines) if text in one)


def test_features_that_lack_something_are_told_with_the_line_of_the_users_file():
    """Not with that of `given`, in which it ended."""
    _, reason = learned(Parcels())
    where = f"(test_failures.py:{line(Parcels.features, 'return given')})"
    assert reason == f"BadRecord: km is missing, and nothing is known of its key {where}"


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([Example("k", None, 1.0)], "TypeError: x must be a dict, got None"),  # type: ignore[arg-type]
        ([Question("k", [1.0])], "TypeError: x must be a dict, got [1.0]"),  # type: ignore[arg-type]
        ([("k", 3)], "TypeError: a handler must give Question, Answer or Example, got ('k', 3)"),
        (7, "TypeError: 'int' object is not iterable"),
    ],
)
def test_what_a_handler_may_not_give_is_told_with_the_handlers_line(monkeypatch, outcomes, said):
    """Nothing of the user's own is on the way: it is found by the learner."""
    monkeypatch.setattr(Parcels, "outcomes", lambda _self, _event: outcomes)
    _, reason = learned(Parcels())
    assert reason == f"{said} (test_failures.py:{line(Parcels.learn, '@on(HEARD)')})"


@pytest.mark.parametrize("value", ["S1", None])
def test_a_model_that_fails_is_told_with_what_was_no_number(monkeypatch, value):
    """And with the use case."""
    monkeypatch.setattr(Parcels, "features", lambda _self, _event, _view: {"km": 3.0, "shop": value})
    with pytest.raises(HeadraceError) as stopped:
        learned(Parcels())
    said = str(stopped.value)
    assert said.startswith("parcels: every candidate has failed (linear: TypeError: ")
    assert said.endswith(f"; not a number in x: {{'shop': {value!r}}}, y was 1.0)")


def test_what_was_given_is_shortened():
    """Whatever it was."""
    assert what_was_given({"km": float("nan"), "far": True}) == "not a number in x: {'km': nan}"
    long = what_was_given({f"km_{at}": 1.0 for at in range(100)}, "late")
    assert long.startswith("x was {'km_0': 1.0, ")
    assert long.endswith("..., y was 'late'")
    assert len(long) < 200
