"""Forecasts of several steps over HTTP."""

import asyncio
import pickle
import time
from collections.abc import Iterator
from typing import Any

import pytest

from serving.model import Model
from serving.predictor import Predictor
from serving.routes.horizon import _ahead
from streaming.partition import partition_of
from tests.api import Api, pointer
from usecases.market.forecast import Forecast
from usecases.market.series import Series

AHEAD = "/v1/forecast/horizon"
SHARD = str(partition_of(b"GAS", 3))


def wave() -> Iterator[float]:
    """A series whose next value its last ones tell."""
    while True:
        yield from (10.0, 11.0, 13.0, 12.0)


def taught(candidate: str, count: int = 200) -> tuple[Any, Series]:
    """A model that has learned some values of GAS, and the series it stands at."""
    use_case: Any = Forecast()
    model, profile = Forecast.candidates[candidate](), Series()
    for at, value in zip(range(count), wave(), strict=False):
        for example in use_case.learn({"symbol": "GAS", "time": at, "value": value}, profile):
            model.learn_one(example.x, example.y)
    return model, profile


@pytest.fixture
def api() -> Api:
    """An API that forecasts."""
    return Api(more=[Forecast()])


def serve(api: Api, model: Any, shard: str = SHARD) -> None:
    """Serve this model in one shard from now on."""
    own = pointer("forecast")
    api.models["forecast", shard] = Model.of(own, model, object=own.object)


@pytest.mark.parametrize("candidate", Forecast.candidates)
def test_each_prediction_is_the_newest_lag_of_the_next(api, candidate):
    """As if each one had come, and had been asked about; the model is the same to the last byte afterwards."""
    model, profile = taught(candidate)
    serve(api, model)
    api.views.known["GAS"] = profile.view()
    before = pickle.dumps(model, 5)
    answer = api.client.post(AHEAD, json={"symbol": "GAS", "steps": 25}).json()
    assert pickle.dumps(model, 5) == before
    assert (len(answer["predictions"]), answer["steps"], answer["symbol"]) == (25, 25, "GAS")
    for at, value in enumerate(answer["predictions"]):
        asked = api.client.post("/v1/forecast/predict", json={"symbol": "GAS", **profile.view()}).json()
        assert asked["prediction"] == value
        profile.append(1_000 + at, value, most=10)
    assert (answer["source"], answer["available_lags"]) == ("model", 10)
    assert answer["model"]["candidate"] == "logistic"  # the pointer's own word
    assert answer["model"].keys() == asked["model"].keys()


def test_a_series_that_repeats_itself_is_carried_on(api):
    """Eight steps ahead of a wave are the wave."""
    model, profile = taught("linear", 2_000)
    serve(api, model)
    api.views.known["GAS"] = profile.view()
    answer = api.client.post(AHEAD, json={"symbol": "GAS", "steps": 8}).json()
    assert answer["predictions"] == pytest.approx([10, 11, 13, 12] * 2, abs=0.2)


def test_lags_may_be_given(api):
    """Without a look-up; how many there are is told."""
    model, _ = taught("persistence")
    serve(api, model)
    answer = api.client.post(AHEAD, json={"symbol": "GAS", "steps": 2, "in_1": 5, "in_2": 4, "id": "mine"}).json()
    assert (answer["predictions"], answer["available_lags"], answer["id"]) == ([5.0, 5.0], 2, "mine")


def test_the_model_of_the_symbols_shard_answers(api):
    """And of no other."""
    model, _ = taught("linear")
    serve(api, model, str((int(SHARD) + 1) % 3))
    body = {"symbol": "GAS", "steps": 3, "in_1": 5.0}
    answer = api.client.post(AHEAD, json=body).json()
    assert (answer["predictions"], answer["source"], answer["model"]) == ([5.0] * 3, "rules", None)
    serve(api, model)
    assert api.client.post(AHEAD, json=body).json()["source"] == "model"


def test_a_symbol_that_the_model_never_learned_is_ruled(api):
    """By its newest value."""
    model, _ = taught("linear")
    for shard in "012":
        serve(api, model, shard)
    answer = api.client.post(AHEAD, json={"symbol": "TIN", "steps": 2, "in_1": 7.0}).json()
    assert (answer["predictions"], answer["source"]) == ([7.0, 7.0], "rules")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"symbol": "TIN", "steps": 3}, 404, "nothing is known of symbol 'TIN'"),
        ({"symbol": "GAS"}, 422, "steps is missing; wanted 1 to 1000"),
        ({"symbol": "GAS", "steps": 0}, 422, "steps must be greater than or equal to 1, got 0"),
        ({"symbol": "GAS", "steps": 1_001}, 422, "steps must be less than or equal to 1000, got 1001"),
        ({"symbol": "GAS", "steps": "3"}, 422, "steps must be a valid integer, got '3'"),
        ({"steps": 3}, 422, "in_1 missing; wanted in_1, or symbol alone"),
        ({"steps": 3, "in_1": 1.0}, 422, "symbol missing"),
        ({"symbol": "GAS", "steps": 3, "in_1": 1.0, "in_3": 1.0}, 422, "in_2 is missing"),
        ({"symbol": "GAS", "steps": 3, "hours": 1}, 422, "hours is not a field of this request"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(api, body, status, said):
    """As a problem."""
    assert said in api.problem("post", AHEAD, status, json=body)


def test_a_body_that_is_not_json_is_named(api):
    """400."""
    assert "not JSON" in api.problem("post", AHEAD, 400, content=b"{")


def test_views_that_are_away_are_a_503(api):
    """The client comes again."""
    api.views.away = True
    assert "Redis does not answer" in api.problem("post", AHEAD, 503, json={"symbol": "GAS", "steps": 3})


def test_an_api_without_forecast_says_so():
    """404, as for any use case that is not there."""
    assert "there is no use case 'forecast'" in Api().problem("post", AHEAD, 404, json={"symbol": "GAS", "steps": 3})


def test_predict_tells_available_lags(api):
    """Beside the prediction."""
    answer = api.client.post("/v1/forecast/predict", json={"symbol": "GAS", "in_1": 5, "in_2": 4}).json()
    assert (answer["prediction"], answer["available_lags"]) == (5.0, 2)


def test_its_body_is_documented(api):
    """In OpenAPI, with steps and lags."""
    operation = api.client.get("/openapi.json").json()["paths"][AHEAD]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"symbol", "steps", "in_1", "in_10", "available_lags"} <= schema["properties"].keys()
    assert schema["properties"]["steps"]["maximum"] == 1_000


def test_a_long_horizon_leaves_the_loop_to_others():
    """Other tasks run between its steps."""

    class Slow:
        """A model that takes its time."""

        def predict_one(self, x: dict[str, Any]) -> float:
            time.sleep(0.006)
            return float(x["in_1"])

    turns = 0

    async def others(done: asyncio.Event) -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        done = asyncio.Event()
        beside = asyncio.create_task(others(done))
        predictor = Predictor(Forecast(), {}, Api().views, lambda _: None)
        own = pointer("forecast")
        x = Forecast().features({"symbol": "GAS", "in_1": 5.0}, {})
        await _ahead(predictor, x, Model.of(own, Slow(), object=own.object), 30)
        done.set()
        await beside

    asyncio.run(both())
    assert turns >= 20
