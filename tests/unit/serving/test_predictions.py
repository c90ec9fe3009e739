"""Predictions over HTTP: by features, by key, by rules; labels."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from prometheus_client import REGISTRY

from serving.model import Model
from streaming.topics import Topic
from tests.api import Api, Heating, model, pointer
from usecases.shop.fraud import Fraud

ASK = "/v1/heating/predict"
WARM = {"degrees": 20.0}


def counted(source: str) -> float:
    """Answers of `heating` so far."""
    return REGISTRY.get_sample_value("headrace_predictions_total", {"use_case": "heating", "source": source}) or 0.0


def test_an_answer_names_its_model(api):
    """Prediction, probabilities, and all that a client may want to know of the model."""
    api.serve(model(pointer(epoch=3, n=14)))
    before = counted("model")
    answer = api.client.post(ASK, json=WARM | {"id": "mine"}).json()
    assert answer["prediction"] is True
    assert answer["probabilities"]["true"] > 0.5
    assert answer["probabilities"]["true"] + answer["probabilities"]["false"] == pytest.approx(1)
    assert (answer["source"], answer["id"]) == ("model", "mine")
    age = answer["model"].pop("age_seconds")
    assert 0 <= age < 60
    assert answer["model"] == {"candidate": "logistic", "snapshot": "3-14", "version": None, "learned": 1400}
    assert counted("model") == before + 1


def test_the_answer_is_the_models_own(api):
    """Nothing lies between River's model and the client."""
    served = model(pointer())
    api.serve(served)
    answer = api.client.post(ASK, json=WARM).json()
    assert answer["probabilities"]["true"] == (served.ask(WARM).probabilities or {})[True]


def test_a_swap_shows_in_the_next_answer(api):
    """One assignment, no restart."""
    api.serve(model(pointer(n=1)))
    first = api.client.post(ASK, json=WARM).json()
    api.serve(model(pointer(n=2), warm=False))
    second = api.client.post(ASK, json=WARM).json()
    assert (first["prediction"], second["prediction"]) == (True, False)
    assert (first["model"]["snapshot"], second["model"]["snapshot"]) == ("1-1", "1-2")


def test_a_key_alone_is_looked_up(api):
    """The same answer as with the features that are known of it."""
    api.serve(model(pointer()))
    api.views.known["R1"] = {"degrees": 20.0}
    by_key, by_features = (api.client.post(ASK, json=body).json() for body in ({"room": "R1"}, WARM))
    assert by_key["probabilities"] == by_features["probabilities"]


def test_features_are_as_old_as_their_event_is_behind_the_models(api):
    """Both in event time: nothing happens while the world stands still. What was looked up is counted."""

    def lookups(result):
        labels = {"use_case": "heating", "result": result}
        return REGISTRY.get_sample_value("headrace_view_lookups_total", labels) or 0.0

    before = lookups("found"), lookups("unknown")
    api.serve(model(replace(pointer(), event_time="1970-01-01T00:05:00+00:00")))
    api.views.known["R1"] = {"degrees": 20.0}  # of the beginning of time
    api.client.post(ASK, json={"room": "R1"})
    api.client.post(ASK, json={"room": "R9"})
    age = REGISTRY.get_sample_value("headrace_feature_age_seconds", {"use_case": "heating"})
    assert age == pytest.approx(300, abs=0.001)
    assert (lookups("found"), lookups("unknown")) == (before[0] + 1, before[1] + 1)


def test_an_unknown_key_is_a_404(api):
    """It says which, and what could be sent instead."""
    api.serve(model(pointer()))
    assert api.problem("post", ASK, 404, json={"room": "R9"}) == "nothing is known of room 'R9': send degrees with it"


def test_without_the_online_store_requests_with_features_go_on(api):
    """Only what must be looked up waits."""
    api.serve(model(pointer()))
    api.views.away = True
    assert "Redis does not answer" in api.problem("post", ASK, 503, json={"room": "R1"})
    assert api.client.post(ASK, json=WARM | {"room": "R1"}).status_code == 200


def test_missing_features_are_named(api):
    """And that the key would do."""
    assert api.problem("post", ASK, 422, json={}) == "degrees missing; wanted degrees, or room alone"


def test_without_model_and_rules_a_client_comes_again(api):
    """503 with Retry-After."""
    answer = api.client.post(ASK, json=WARM)
    assert answer.headers["retry-after"] == "1"
    assert "no model of heating" in api.problem("post", ASK, 503, json=WARM)


def test_rules_answer_without_a_model(api):
    """And say that they do."""
    answer = api.client.post("/v1/ruled/predict", json={"degrees": 12.5}).json()
    assert answer == {
        "prediction": True,
        "probabilities": None,
        "source": "rules",
        "id": None,
        "model": None,
        "reason": "12.5 degrees",
    }


def test_a_model_takes_over_from_the_rules(api):
    """What the use case says beside stays."""
    api.serve(model(pointer("ruled")))
    answer = api.client.post("/v1/ruled/predict", json={"degrees": 12.5}).json()
    assert (answer["source"], answer["reason"]) == ("model", "12.5 degrees")


def test_a_version_is_told_where_it_is_known(api, version):
    """Of a registered snapshot, or of the pinned one."""
    api.versions.known = [version(7, pointer(n=2).object)]
    api.serve(model(pointer(n=2)))
    assert api.client.post(ASK, json=WARM).json()["model"]["version"] == 7
    api.serve(model(pointer(n=3), pinned=4))
    assert api.client.post(ASK, json=WARM).json()["model"]["version"] == 4


def test_a_batch_is_answered_row_by_row(api):
    """In the order of the rows, by one model, with one look-up."""
    api.serve(model(pointer()))
    api.views.known["R1"] = {"degrees": -3.0}
    rows = [{"degrees": 20.0}, {"room": "R1", "id": "second"}, {"degrees": -3.0}]
    first, second, third = api.client.post(f"{ASK}/batch", json=rows).json()["predictions"]
    assert second["probabilities"] == third["probabilities"] != first["probabilities"]
    assert [one["id"] for one in (first, second, third)] == [None, "second", None]
    assert api.client.post(f"{ASK}/batch", json=[]).json() == {"predictions": []}


def test_a_batch_has_an_end(api):
    """Others want answers too."""
    assert "at most 1000 rows" in api.problem("post", f"{ASK}/batch", 413, json=[WARM] * 1_001)


def test_a_label_goes_to_kafka(api):
    """Accepted when the broker has it."""
    answer = api.client.post("/v1/heating/labels", json={"id": "mine", "label": False})
    assert answer.status_code == 202
    ((topic, key, value),) = api.outbox.sent
    assert (topic, key, orjson.loads(value)) == ("heating.labels", "mine", {"id": "mine", "label": False})


@pytest.mark.parametrize("body", [{"id": "mine"}, {"label": 1}, {"id": "", "label": 1}, {"id": "a", "label": None}, []])
def test_a_label_needs_both(api, body):
    """An id that was given, and a plain value."""
    api.problem("post", "/v1/heating/labels", 422, json=body)
    assert api.outbox.sent == []


def test_a_label_that_kafka_does_not_take_is_not_accepted(api):
    """The client sends it again."""
    api.outbox.away = True
    assert api.problem("post", "/v1/heating/labels", 503, json={"id": "mine", "label": 1})


def test_a_model_that_fails_is_a_500_in_the_same_form(api):
    """Without a word of the inside."""
    broken = model(pointer())
    object.__setattr__(broken, "ask", lambda x: 1 / 0)
    api.serve(broken)
    assert "ZeroDivision" not in api.problem("post", ASK, 500, json=WARM)


def test_topic_names_the_key():
    """The use case of these tests is what the schema takes it for."""
    assert isinstance(Heating.topics[-1], Topic)


def test_a_key_of_which_nothing_is_known_is_answered_where_the_request_says_enough():
    """A customer's first payment, as in training; without its place it is told what is missing."""
    api = Api(more=[Fraud()])
    payment = {
        "customer_id": "new",
        "merchant_id": "m",
        "category": "fuel",
        "amount": 50.0,
        "currency": "EUR",
        "channel": "store",
        "device_id": "d",
        "latitude": 50.0,
        "longitude": 8.0,
        "account_age_days": 1,
        "time": "2026-03-01T12:00:00Z",
    }
    taught = Fraud.candidates["logistic"]()
    x = Fraud().features({**payment, "time": datetime(2026, 3, 1, 12, tzinfo=UTC)}, {})
    taught.learn_one(x, y=False)
    own = pointer("fraud")
    api.models["fraud", "0"] = Model.of(own, taught, object=own.object)
    answer = api.client.post("/v1/fraud/predict", json=payment)
    assert answer.json()["probabilities"]["true"] == taught.predict_proba_one(x)[True]
    del payment["latitude"]
    unknown = api.client.post("/v1/fraud/predict", json=payment)
    assert unknown.status_code == 404
    assert "nothing is known of customer_id 'new'" in unknown.json()["detail"]
