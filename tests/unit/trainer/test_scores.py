"""What each kind of metric is told, and what a window takes back."""

from collections import deque
from random import Random

import pytest
from river import cluster, compose, conf, linear_model, metrics, preprocessing, utils

from streaming.asking import asking
from streaming.usecase import UseCase
from trainer.candidates import Candidate, predictor, scorer


class Inside(metrics.base.RegressionMetric):
    """The share of answers inside the interval."""

    reads = "interval"
    name = "Inside"

    def __init__(self):
        self.all = self.within = 0

    def update(self, y_true, y_pred, w=1.0):
        self.all, self.within = self.all + 1, self.within + (y_pred[0] <= y_true <= y_pred[1])

    def revert(self, y_true, y_pred, w=1.0):
        self.all, self.within = self.all - 1, self.within - (y_pred[0] <= y_true <= y_pred[1])

    def get(self):
        return self.within / self.all if self.all else 0.0

    @property
    def bigger_is_better(self):
        return True


class Weighed(metrics.base.RegressionMetric):
    """The error in money: x says what one unit of it costs."""

    reads = "x"

    def __init__(self):
        self.sum = 0.0

    def update(self, y_true, y_pred, x=None):
        self.sum += abs(y_true - y_pred) * x["cost"]

    def revert(self, y_true, y_pred, x=None):
        self.sum -= abs(y_true - y_pred) * x["cost"]

    def get(self):
        return self.sum

    @property
    def bigger_is_better(self):
        return False


def use_case(*made, model, size=50):
    class Spotted(UseCase):
        metric = staticmethod(made[0])
        reported = made[1:]
        window = size
        candidates = {"one": model}

    return Spotted


def conformal():
    return conf.RegressionJackknife(
        preprocessing.StandardScaler() | linear_model.LinearRegression(), confidence_level=0.8, window_size=100
    )


def rows(count, seed=1):
    rng = Random(seed)
    for _ in range(count):
        x = {"a": rng.gauss(0, 1), "b": rng.gauss(0, 2), "cost": rng.choice([1.0, 2.5])}
        yield x, 3 * x["a"] - x["b"] + rng.gauss(0, 1)


def run(kind, labelled):
    candidate = Candidate.new(kind, "one")
    ask, score = predictor(candidate), scorer(candidate)
    for x, y in labelled:
        score(y, ask(x), x)
        candidate.model.learn_one(x, y) if candidate.model._supervised else candidate.model.learn_one(x)
    return candidate.scores.values()


def test_a_metric_that_reads_the_interval_is_told_of_it_as_a_bare_loop_would():
    found = run(use_case(metrics.MAE, Inside, model=conformal), rows(400))
    model, mae, inside = conformal(), metrics.MAE(), []
    for x, y in rows(400):
        mae.update(y, model.predict_one(x))
        inside.append(y in model.predict_one(x, with_interval=True))
        model.learn_one(x, y)
    assert found["MAE"] == mae.get()
    assert found["Inside"] == pytest.approx(sum(inside) / 400)
    assert found["rolling_Inside"] == pytest.approx(sum(inside[-50:]) / 50)


def test_a_model_without_intervals_is_scored_by_the_other_metrics():
    found = run(use_case(metrics.MAE, Inside, model=linear_model.LinearRegression), rows(30))
    assert found["Inside"] == 0.0
    assert found["MAE"] > 0


def test_a_metric_that_reads_x_is_told_of_it_and_takes_it_back():
    found = run(use_case(metrics.MAE, Weighed, model=linear_model.LinearRegression), rows(200))
    model, costs = linear_model.LinearRegression(), []
    for x, y in rows(200):
        costs.append(abs(y - model.predict_one(x)) * x["cost"])
        model.learn_one(x, y)
    assert found["Weighed"] == pytest.approx(sum(costs))
    assert found["rolling_Weighed"] == pytest.approx(sum(costs[-50:]))


def test_a_metric_with_a_window_of_its_own_has_no_rolling_twin():
    found = run(use_case(metrics.MAE, five, model=linear_model.LinearRegression), rows(60))
    assert set(found) == {"MAE", "rolling_MAE", "MAE_5"}
    model, errors = linear_model.LinearRegression(), deque[float](maxlen=5)
    for x, y in rows(60):
        errors.append(abs(y - model.predict_one(x)))
        model.learn_one(x, y)
    assert found["MAE_5"] == pytest.approx(sum(errors) / 5)


def test_a_clusterer_is_scored_before_it_learns_in_the_space_that_it_sees():
    def model():
        return compose.FuncTransformer(halved) | cluster.KMeans(n_clusters=4, halflife=0.5, seed=3)

    found = run(use_case(metrics.Silhouette, model=model), rows(300))
    alone, whole, window, rolling = model(), metrics.Silhouette(), deque[tuple[object, ...]](), metrics.Silhouette()
    for x, _ in rows(300):
        at, centers = alone.predict_one(x), alone["KMeans"].centers
        if at in centers:
            fed = halved(x), at, {number: dict(center) for number, center in centers.items()}
            whole.update(*fed)
            rolling.update(*fed)
            window.append(fed)
            if len(window) > 50:
                rolling.revert(*window.popleft())
        alone.learn_one(x)
    assert found["Silhouette"] == whole.get()
    assert found["rolling_Silhouette"] == pytest.approx(rolling.get())


def five():
    return utils.Rolling(metrics.MAE, 5)


def halved(x):
    return {"a": x["a"] / 2, "b": x["b"] / 2}


def test_serving_asks_a_conformal_model_for_its_interval():
    model = conformal()
    for x, y in rows(200):
        model.learn_one(x, y)
    x, _ = next(rows(1, seed=9))
    said = asking(model)(x)
    interval = model.predict_one(x, with_interval=True)
    assert said.value == model.predict_one(x)
    assert said.interval == (interval.lower, interval.upper)
    assert said.interval[0] < said.value < said.interval[1]
