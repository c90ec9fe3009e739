"""Clusters of interactions, and what they are called."""

import datetime as dt
import pickle

import pytest
from river import cluster, compose

from streaming.errors import BadRecord
from usecases.web.interactions import Interactions
from usecases.web.recent import Recent
from usecases.web.summaries import summaries

LOOK = {
    "category": "electronics",
    "price": 900.0,
    "quantity": 1,
    "event_type": "view",
    "page_seconds": 120.0,
    "device": "desktop",
    "place": "europe",
    "hour": 20.0,
}
BUY = {**LOOK, "category": "groceries", "price": 2.0, "quantity": 6, "event_type": "purchase", "page_seconds": 5.0}


class ByIntent(cluster.KMeans):
    """Cluster 1 is of those who pay, 0 of the others."""

    def learn_one(self, x):
        """Learn nothing."""

    def predict_one(self, x):
        """Which of the two."""
        return int(x["event_type"] == "purchase")


@pytest.fixture
def split() -> Recent:
    model = Recent(ByIntent(n_clusters=2, seed=1), size=40)
    for _ in range(30):
        model.learn_one(BUY)
    for _ in range(10):
        model.learn_one({**LOOK, "device": "phone"})
    return model


def test_each_cluster_tells_its_size_its_features_and_a_name(split):
    bought, looked = summaries(split)
    assert (bought["cluster"], bought["size"], bought["share"]) == (1, 30, 0.75)
    assert looked["name"].split(", ")[:2] == ["view", "phone"] or "view" in looked["name"]
    assert "expensive" in looked["name"] or "a long look" in looked["name"]
    assert bought["numbers"]["price"] == {"mean": 2.0, "median": 2.0, "sd": 0.0}
    assert looked["categories"]["device"] == {"phone": 1.0}


def test_sizes_follow_the_last_points(split):
    for _ in range(20):
        split.learn_one(LOOK)
    assert {one["cluster"]: one["size"] for one in summaries(split)} == {0: 30, 1: 10}


def test_before_anything_is_learned_there_is_no_cluster():
    assert summaries(Recent(ByIntent(n_clusters=2, seed=1))) == []


def test_asking_leaves_the_model_as_it_is():
    model = Interactions.candidates["dbstream"]()
    for at in range(300):
        model.learn_one({**(BUY if at % 3 else LOOK), "price": 1.0 + at})
    model.predict_one(LOOK)
    before = pickle.dumps(model)
    assert summaries(model)
    assert pickle.dumps(model) == before


def test_a_clusterer_with_its_last_points_is_the_clusterer():
    made = Interactions.candidates["kmeans"]
    ours, alone = made(), made().clusterer
    assert isinstance(alone, compose.Pipeline)
    for at in range(200):
        x = {**(BUY if at % 3 else LOOK), "price": 1.0 + at}
        ours.learn_one(x)
        alone.learn_one(x)
        assert ours.predict_one(x) == alone.predict_one(x)
    assert ours.centers == alone["KMeans"].centers


def test_the_hour_comes_from_the_request_or_the_time():
    features = Interactions().features
    timed = {name: value for name, value in LOOK.items() if name != "hour"}
    with pytest.raises(BadRecord, match=r"^hour is missing, and so is time$"):
        features(timed, {})
    assert features({**timed, "hour": 20.0, "session_id": "S1"}, {}) == LOOK
    for moment in (
        dt.datetime(2026, 1, 5, 20),  # noqa: DTZ001  # the point of the test
        dt.datetime(2026, 1, 5, 20, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 6, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    ):
        assert features({**timed, "time": moment}, {}) == LOOK
