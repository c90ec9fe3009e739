"""Minutes until the passenger is there, over HTTP."""

from typing import Any

import pytest

from serving.model import Model
from tests.api import Api, pointer
from usecases.rides.eta import Eta
from usecases.rides.zone import Zone

PREDICT = "/v1/eta/predict"
RIDE = {
    "pickup_lat": 48.2,
    "pickup_lon": 16.37,
    "dropoff_lat": 48.22,
    "dropoff_lon": 16.41,
    "weather": "rain",
    "driver_rating": 4.6,
    "vehicle": "car",
}
TIME = "2026-01-06T08:30:00Z"


@pytest.fixture
def api() -> Api:
    """An API that knows how long rides take, and the centre."""
    eta: Any = Eta()
    model, zone = Eta.candidates["linear"](), Zone()
    for turn in range(300):
        arrival = {"minutes": 20.0 + turn % 7, "km": 5.0}
        model.learn_one(eta.features({**RIDE, "hour": 8.5, "weekday": 1}, zone.view()), arrival["minutes"])
        zone.update(arrival)
    api = Api(more=[Eta()])
    own = pointer("eta")
    api.serve(Model.of(own, model, object=own.object))
    api.views.known["centre"] = zone.view()
    return api


def ask(api: Api, **body: Any) -> Any:
    answer = api.client.post(PREDICT, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_by_zone_and_by_features_are_the_same(api):
    """The ride and its zone give the answer that the ride and the zone's numbers give."""
    by_zone = ask(api, **RIDE, time=TIME, pickup_zone="centre")
    by_features = ask(api, **RIDE, hour=8.5, weekday=1, **api.views.known["centre"])
    for told in (by_zone, by_features):
        told.pop("model")
    assert by_zone == by_features
    assert 15 < by_zone["prediction"] < 30


def test_the_answer_gives_an_interval(api):
    """Around the prediction, with its stated coverage."""
    told = ask(api, **RIDE, time=TIME, pickup_zone="centre")
    assert told["interval"]["low"] < told["prediction"] < told["interval"]["high"]
    assert told["interval"]["confidence"] == 0.9


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({**RIDE, "time": TIME, "pickup_zone": "moon"}, 404, "nothing is known of pickup_zone 'moon'"),
        ({"pickup_zone": "centre"}, 422, "pickup_lat is missing"),
        ({**RIDE, "pickup_zone": "centre"}, 422, "time is missing"),
        ({**RIDE, "time": "noon", "pickup_zone": "centre"}, 422, "time must be a valid datetime"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(api, body, status, said):
    """As a problem."""
    assert said in api.problem("post", PREDICT, status, json=body)
