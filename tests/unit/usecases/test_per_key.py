"""One model for each key, and models that are renewed."""

import pickle

from river import dummy, linear_model, preprocessing, stats

from streaming.asking import asking
from usecases.per_key import PerKey
from usecases.renewing import Renewing


def mean() -> dummy.StatisticRegressor:
    """Predicts the mean of what it was taught."""
    return dummy.StatisticRegressor(stats.Mean())


def test_what_one_key_teaches_never_touches_another():
    """The models are those that would have learned alone."""
    together = PerKey(preprocessing.StandardScaler() | linear_model.LinearRegression(), key="shop")
    alone = {shop: preprocessing.StandardScaler() | linear_model.LinearRegression() for shop in ("a", "b")}
    for at in range(50):
        shop = "ab"[at % 3 == 0]
        together.learn_one({"shop": shop, "size": float(at)}, float(at * (shop == "a")))
        alone[shop].learn_one({"size": float(at)}, float(at * (shop == "a")))
    for shop, model in alone.items():
        assert together.predict_one({"shop": shop, "size": 7.0}) == model.predict_one({"size": 7.0})


def test_the_key_that_learned_longest_ago_goes():
    """At most so many are kept; one that goes begins anew."""
    model = PerKey(mean(), key="shop", most=2)
    for shop, y in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        model.learn_one({"shop": shop}, y)
    assert [model.predict_one({"shop": shop}) for shop in "abc"] == [2.0, None, 4.0]


def test_asking_changes_nothing():
    """Neither for a key that is known nor for one that is not."""
    model = PerKey(preprocessing.StandardScaler() | linear_model.LinearRegression(), key="shop")
    model.learn_one({"shop": "a", "size": 1.0}, 2.0)
    before = pickle.dumps(model)
    model.predict_one({"shop": "a", "size": 9.0})
    model.predict_one({"shop": "z", "size": 9.0})
    assert pickle.dumps(model) == before


def test_it_is_a_regressor_by_rivers_own_words():
    """Metrics accept it, it learns with labels, its clone is untaught and it is told by its definition alone."""
    model = PerKey(mean(), key="shop")
    definition = repr(model)
    model.learn_one({"shop": "a"}, 2.0)
    assert model._supervised
    assert asking(model)({"shop": "a"}).value == 2.0
    assert repr(model) == definition
    assert "StatisticRegressor" in definition
    assert model.clone().predict_one({"shop": "a"}) is None


def test_a_renewed_model_has_learned_the_last_examples():
    """More than `every` and at most twice as many, as soon as there were that many."""
    model = Renewing(dummy.StatisticRegressor(stats.Count()), every=10)
    counts = []
    for _ in range(100):
        counts.append(model.predict_one({}))
        model.learn_one({}, 1.0)
    assert counts[:20] == list(range(20))
    assert {int(count) for count in counts[20:]} == set(range(11, 21))
