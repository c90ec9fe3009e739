"""Intervals, and the shares that judge them and the predictions."""

from random import Random

import pytest
from river import linear_model, metrics

from usecases.intervals import Coverage, RelativeJackknife
from usecases.logarithms import InLogarithms
from usecases.shares import Within, WithinPercent


class Same:
    """A regressor that predicts x["y"], and learns nothing."""

    def predict_one(self, x):
        return x["y"]

    def learn_one(self, x, y):
        """Nothing."""


def seen(share: float, *, size: float, seed: int = 1) -> float:
    """How often y is inside, where y is spread around x by a share of it."""
    dice, coverage = Random(seed), Coverage()
    model = RelativeJackknife(Same(), confidence_level=share, window_size=500)
    for number in range(3_000):
        x = {"y": size * (1 + number % 50)}
        y = x["y"] * (1 + 0.2 * dice.gauss(0, 1))
        interval = model.predict_one(x, with_interval=True)
        if number > 500:
            coverage.update(y, (interval.lower, interval.upper))
        model.learn_one(x, y)
    return coverage.get()


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("size", [0.01, 100.0])
def test_intervals_hold_what_they_promise(share, size):
    """Where errors grow with the value, the answers are inside as often as stated, whatever the unit."""
    assert seen(share, size=size) == pytest.approx(share, abs=0.025)


def test_intervals_are_in_proportion():
    """A prediction twice as large has an interval twice as wide."""
    model, dice = RelativeJackknife(Same(), confidence_level=0.9), Random(3)
    for _ in range(200):
        model.learn_one({"y": 10.0}, 10.0 + dice.uniform(-3, 3))
    small, large = (model.predict_one({"y": y}, with_interval=True) for y in (10.0, 20.0))
    assert large.lower == pytest.approx(2 * small.lower)
    assert large.upper == pytest.approx(2 * small.upper)


def test_a_prediction_that_is_not_positive_has_an_interval_of_itself_alone():
    """There is no proportion of it; and its error changes no other interval."""
    model = RelativeJackknife(Same())
    for y in (0.0, -4.0):
        model.learn_one({"y": y}, 5.0)
        interval = model.predict_one({"y": y}, with_interval=True)
        assert (interval.lower, interval.upper) == (y, y)
    interval = model.predict_one({"y": 10.0}, with_interval=True)
    assert (interval.lower, interval.upper) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("metric", "answers"),
    [
        (Coverage(), [(1.0, (0.5, 1.0)), (2.0, (0.0, 1.9))]),
        (Within(2, unit="min"), [(10.0, 12.0), (10.0, 12.1)]),
        (WithinPercent(10), [(100.0, 110.0), (100.0, 110.1)]),
    ],
)
def test_shares_count_and_take_back(metric, answers):
    """The first answer counts, its edge included, the second does not; taken back, it is as if never heard."""
    inside, outside = answers
    assert metric.get() == 0
    metric.update(*inside)
    assert metric.get() == 1
    metric.update(*outside)
    assert metric.get() == 0.5
    metric.revert(*inside)
    assert metric.get() == 0
    assert metric.bigger_is_better
    assert metric.works_with(linear_model.LinearRegression())
    assert isinstance(metric, metrics.base.RegressionMetric)


def test_logarithms_stay_near_what_was_seen():
    """However far off the model is, its prediction is between half the smallest and twice the largest y."""
    model = InLogarithms(linear_model.LinearRegression())
    assert model.predict_one({"a": 1.0}) == 1.0
    for y in (5.0, 20.0):
        model.learn_one({"a": 1.0}, y)
    assert model.predict_one({"a": 1e6}) == pytest.approx(40.0)
    assert model.predict_one({"a": -1e6}) == pytest.approx(2.5)
