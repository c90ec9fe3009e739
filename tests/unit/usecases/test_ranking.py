"""Precision and lift at the top of a ranking."""

import pickle
import random

import pytest
from river import linear_model, utils

from usecases.ranking import LiftAtTop, PrecisionAtTop


def answers(count, *, rate=0.02, seed=1):
    """Labels with probabilities that know something of them, all small: as a model of rare events gives them."""
    rng = random.Random(seed)
    for _ in range(count):
        y = rng.random() < rate
        yield y, min(1.0, rng.lognormvariate(-5 + 1.5 * y, 1))


def exactly(pairs, share):
    """The part of true ones among the likeliest, by sorting all of them."""
    ranked = sorted(pairs, key=lambda pair: -pair[1])
    top = ranked[: round(share * len(ranked))]
    return sum(y for y, _ in top) / len(top)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_precision_is_that_of_the_sorted_answers_though_all_probabilities_are_small(share):
    pairs = list(answers(20_000))
    metric = PrecisionAtTop(share)
    for y, p in pairs:
        metric.update(y, {True: p, False: 1 - p})
    assert metric.get() == pytest.approx(exactly(pairs, share), abs=0.01)


def test_lift_is_precision_over_the_rate_of_all():
    pairs = list(answers(20_000))
    metric = LiftAtTop()
    for y, p in pairs:
        metric.update(y, p)
    rate = sum(y for y, _ in pairs) / len(pairs)
    assert metric.get() == pytest.approx(exactly(pairs, 0.1) / rate, rel=0.02)
    assert metric.get() > 2


@pytest.mark.parametrize("make", [PrecisionAtTop, LiftAtTop])
def test_what_was_taken_back_leaves_no_trace(make):
    pairs = list(answers(3_000))
    whole, tail = make(), make()
    for y, p in pairs:
        whole.update(y, p)
    for y, p in pairs[:2_000]:
        whole.revert(y, p)
    for y, p in pairs[2_000:]:
        tail.update(y, p)
    assert whole.get() == tail.get()
    for y, p in pairs[2_000:]:
        whole.revert(y, p)
    assert whole.get() == make().get() == 0.0
    assert len(pickle.dumps(whole)) == len(pickle.dumps(make()))


def test_ties_are_broken_by_nobodys_favour():
    """A model that says the same of all finds as many at the top as everywhere, in whatever order they came."""
    precision, lift = PrecisionAtTop(0.1), LiftAtTop(0.1)
    for y in [True] * 10 + [False] * 90:
        precision.update(y, {True: 0.1, False: 0.9})
        lift.update(y, {True: 0.1, False: 0.9})
    assert precision.get() == pytest.approx(0.1)
    assert lift.get() == pytest.approx(1.0)


def test_certain_and_missing_probabilities_are_counted():
    """0, 1, a hair above 1, and a model that has not seen True yet."""
    metric = PrecisionAtTop(0.5)
    said = [(True, {True: 1.0, False: 0.0}), (True, {True: 1 + 1e-9}), (False, {True: 0.0}), (False, {False: 1.0})]
    for y, p in said:
        metric.update(y, p)
    assert metric.get() == 1.0


def test_nothing_true_is_no_lift():
    metric = LiftAtTop()
    metric.update(False, {True: 0.3, False: 0.7})
    assert metric.get() == 0.0


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share must be above 0 and at most 1"):
        PrecisionAtTop(share)


def test_they_are_rivers():
    """Probabilities are asked for, classifiers alone are measured, and a copy by parameters is empty."""
    metric = PrecisionAtTop(0.2)
    metric.update(True, 0.9)
    again = metric.clone()
    assert (again.share, again.get()) == (0.2, 0.0)
    assert metric.bigger_is_better
    assert not metric.requires_labels
    assert metric.works_with(linear_model.LogisticRegression())
    assert not metric.works_with(linear_model.LinearRegression())
    rolling = utils.Rolling(PrecisionAtTop, window_size=2, share=0.5)
    for y, p in ((True, 0.9), (False, 0.8), (False, 0.1)):
        rolling.update(y, p)
    assert rolling.get() == 0.0  # type: ignore[operator]  # passed on to the metric
