"""Drift of a candidate, by its mistakes."""

import pickle
import random

import pytest
from river import dummy, metrics, stats

from streaming import unpickle
from streaming.asking import Prediction
from streaming.usecase import UseCase
from trainer.adoption import adopt
from trainer.candidates import Candidate, scorer
from trainer.drift import MOST, Drift
from trainer.learner import Learner
from trainer.stored import _OURS


class Distances(UseCase):
    """Numbers."""

    topics = ()
    metric = metrics.MAE
    candidates = {"mean": lambda: dummy.StatisticRegressor(stats.Mean())}


@pytest.fixture
def candidate():
    """One that is told its predictions."""
    return Candidate.new(Distances, "mean")


def answer(drift, candidate, dice, count, spread):
    """So many answers whose distance from the prediction is of this size, a look every hundred; drifts found."""
    score = scorer(candidate)
    before = drift.found
    for at in range(count):
        score(dice.gauss(0.0, spread), Prediction(0.0), {})
        if at % 100 == 99:
            drift.look(candidate.scores, at)
    return drift.found - before


@pytest.mark.parametrize("seed", range(5))
def test_mistakes_that_grow_are_found_and_those_that_stay_are_not(candidate, seed):
    """Sizes far above one, too: a price's error is in the hundreds."""
    drift, dice = Drift(), random.Random(seed)
    assert answer(drift, candidate, dice, 10_000, 300.0) == 0
    assert drift.found_at is None
    assert answer(drift, candidate, dice, 2_000, 900.0) >= 1
    assert drift.found_at is not None


def test_what_was_found_is_in_the_checkpoint(candidate):
    """How often, when it was last, and all that the detector has heard; no state knows it before it was looked for."""
    learner, dice = Learner(Distances()), random.Random(1)
    learner.state.candidates["mean"] = candidate
    drift = learner.drifts["mean"] = Drift()
    answer(drift, candidate, dice, 3_000, 300.0)
    answer(drift, candidate, dice, 2_000, 900.0)
    state = unpickle.loads(pickle.dumps(learner.state, 5), unpickle.allowed_names() | _OURS)
    adopt(Distances(), state)
    (again,) = Learner(Distances(), state).drifts.values()
    assert again.found == drift.found >= 1
    assert again.found_at == drift.found_at
    before = again.found
    again.look(state.candidates["mean"].scores, 5_000)  # nothing new has come: nothing is heard twice
    assert again.found == before


def test_a_candidate_that_starts_fresh_has_a_fresh_detector(candidate):
    """Its mistakes are another one's."""

    class Other(Distances):
        candidates = {"mean": lambda: dummy.StatisticRegressor(stats.Max())}

    learner = Learner(Distances())
    learner.look_for_drift()
    assert learner.state.drifts is not None
    assert list(learner.state.drifts) == ["mean"]
    adopt(Other(), learner.state)
    assert learner.state.drifts == {}


def test_a_candidate_that_gets_better_does_not_drift(candidate):
    """ADWIN sees both; only one is worth a word."""
    drift, dice = Drift(), random.Random(1)
    answer(drift, candidate, dice, 3_000, 300.0)
    assert answer(drift, candidate, dice, 3_000, 50.0) == 0


def test_a_look_takes_only_the_newest_of_many(candidate, monkeypatch):
    """So that it stays cheap while it catches up."""
    score, drift = scorer(candidate), Drift()
    seen: list[float] = []
    monkeypatch.setattr(drift, "_add", seen.append)
    for _ in range(1_500):
        score(1.0, Prediction(0.0), {})
    drift.look(candidate.scores, 0)
    drift.look(candidate.scores, 0)
    assert len(seen) == MOST
