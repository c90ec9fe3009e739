"""The clusters of the served model over HTTP."""

import pytest

from serving.model import Model
from tests.api import Api, pointer
from usecases.web.interactions import Interactions

PAGE = {
    "category": "toys",
    "price": 20.0,
    "quantity": 1,
    "event_type": "view",
    "page_seconds": 30.0,
    "device": "phone",
    "place": "asia",
    "hour": 9.5,
}


@pytest.fixture
def api() -> Api:
    return Api(more=[Interactions()])


def serve(api: Api, pages: int) -> None:
    model = Interactions.candidates["kmeans"]()
    for at in range(pages):
        model.learn_one({**PAGE, "price": 5.0 + at, "event_type": "cart" if at % 2 else "view"})
    own = pointer("interactions", n=pages)
    api.models["interactions", "0"] = Model.of(own, model, object=own.object)


def test_each_cluster_is_told_with_the_model_that_found_it(api):
    serve(api, 100)
    told = api.client.get("/v1/interactions/clusters").json()
    assert told["points"] == 100
    assert told["count"] == len(told["clusters"])
    assert sum(one["size"] for one in told["clusters"]) == 100
    assert told["clusters"][0]["name"]
    assert told["model"]["snapshot"] == "1-100"


def test_a_newer_snapshot_tells_its_own(api):
    serve(api, 50)
    assert api.client.get("/v1/interactions/clusters").json()["points"] == 50
    serve(api, 60)
    assert api.client.get("/v1/interactions/clusters").json()["points"] == 60


def test_a_request_is_answered_with_its_cluster(api):
    serve(api, 100)
    answer = api.client.post("/v1/interactions/predict", json=PAGE).json()
    assert answer["prediction"] in {
        one["cluster"] for one in api.client.get("/v1/interactions/clusters").json()["clusters"]
    }


def test_without_a_model_one_is_asked_to_come_again(api):
    answer = api.client.get("/v1/interactions/clusters")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_without_the_use_case_there_is_nothing():
    answer = Api().client.get("/v1/interactions/clusters")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
