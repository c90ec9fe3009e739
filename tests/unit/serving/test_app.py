"""The other routes: health, what there is to know, the switch, versions and the pin."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from streaming.control import training_key
from streaming.snapshots import seal_model
from streaming.topics import AUDIT, CONTROL, STATUS
from tests.api import Api, learned, model, pointer

KEY = Api.key
FOUR = seal_model(pointer(), learned(), KEY)


def status(**facts) -> bytes:
    """What a trainer says now."""
    said = {"epoch": 1, "time": datetime.now(UTC), "training": {"wanted": True, "applied": True}, **facts}
    return orjson.dumps(said)


def test_alive_is_not_ready(api):
    """Liveness depends on nothing."""
    api.ready = False
    assert api.client.get("/livez").status_code == 200
    api.problem("get", "/readyz", 503)
    api.ready = True
    assert api.client.get("/readyz").status_code == 200


def test_probes_may_ask_by_head(api):
    """The document of the API stays as it was."""
    assert [api.client.head(path).status_code for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
    api.ready = False
    assert api.client.head("/readyz").status_code == 503
    paths = api.client.get("/openapi.json").json()["paths"]
    assert [list(paths[path]) for path in ("/livez", "/readyz", "/metrics")] == [["get"]] * 3


def test_a_request_is_in_flight_while_it_is_answered(api):
    """The scrape itself; and none is left over."""
    for _ in range(2):
        assert "\nheadrace_http_in_flight 1.0\n" in api.client.get("/metrics").text


def test_unknown_use_cases_are_told_which_there_are(api):
    """On every route."""
    wanted = "there is no use case 'nope'; there are heating, ruled"
    for path in ("", "/metrics", "/models", "/sample", "/fields", "/training"):
        assert api.problem("get", f"/v1/nope{path}", 404) == wanted
    assert api.problem("post", "/v1/nope/predict", 404, json={}) == wanted
    assert api.problem("put", "/v1/nope/training", 404, json={"enabled": True}) == wanted


def test_wrong_paths_and_methods_are_problems(api):
    """Of the same form as all others."""
    assert api.problem("get", "/nope", 404)
    assert api.problem("delete", "/v1/use-cases", 405)


def test_use_cases_are_listed(api):
    """With what is served of each."""
    api.serve(model(pointer()))
    heating, ruled = api.client.get("/v1/use-cases").json()["use_cases"]
    assert (heating["name"], heating["description"]) == ("heating", "Will it be cold? Asked for each room.")
    assert heating["model"]["snapshot"] == "1-1"
    assert (ruled["model"], ruled["has_rules"]) == (None, True)


def test_a_use_case_tells_its_declaration(api):
    """Topics, candidates, metric, where features are looked up, switch."""
    facts = api.client.get("/v1/heating").json()
    assert facts["topics"] == ["rooms"]
    assert facts["candidates"] == ["logistic"]
    assert (facts["metric"], facts["champion"], facts["pinned"]) == ("LogLoss", None, None)
    assert facts["views"] == "fake"
    assert facts["training"] == {"enabled": True, "applied": None}


def test_metrics_are_what_the_trainer_said(api):
    """A second old at most, as long as it speaks."""
    values = {"logistic": {"LogLoss": 0.4, "rolling_LogLoss": 0.3}}
    api.records.take(STATUS, "heating/0", status(learned=9, events=12, candidates=values, lag=3, champion="logistic"))
    facts = api.client.get("/v1/heating/metrics").json()
    assert (facts["learned"], facts["events"], facts["lag"], facts["champion"]) == (9, 12, 3, "logistic")
    assert facts["candidates"] == values
    assert facts["state"] == "learning"
    assert facts["age_seconds"] < 5


def test_metrics_tell_what_was_served_and_the_last_drift(api):
    """As the trainer said; of several shards together."""
    for shard, (value, found, last) in enumerate([(0.4, 2, "2026-01-02T00:00:00Z"), (0.8, 1, None)]):
        drift = {"logistic": {"found": found, "last": last}}
        said = status(answers=10, candidates={}, served={"LogLoss": value, "rolling_LogLoss": None}, drift=drift)
        api.records.take(STATUS, f"heating/{shard}", said)
        facts = api.client.get("/v1/heating/metrics").json()
        if shard == 0:
            assert facts["served"] == {"LogLoss": 0.4, "rolling_LogLoss": None}
            assert facts["drift"] == drift
    assert facts["served"] == {"LogLoss": pytest.approx(0.6), "rolling_LogLoss": None}
    assert facts["drift"] == {"logistic": {"found": 3, "last": "2026-01-02T00:00:00Z"}}


def test_metrics_of_what_never_learned_are_null(api):
    """Every candidate is there all the same."""
    assert api.client.get("/v1/heating/metrics").json()["served"] == {"LogLoss": None, "rolling_LogLoss": None}
    facts = api.client.get("/v1/heating/metrics").json()
    assert (facts["learned"], facts["state"]) == (0, "never started")
    assert facts["candidates"]["logistic"]["rolling_Accuracy"] is None


def test_nothing_is_told_of_trainers_before_they_are_read(api):
    """`enabled: true` would be a guess."""
    api.ready = False
    assert api.problem("get", "/v1/heating/metrics", 503)
    assert api.problem("get", "/v1/heating/training", 503)


def test_a_sample_is_a_recent_request(api):
    """Those that would not be accepted are left out."""
    api.records.take(STATUS, "heating/0", status(recent=[{"degrees": 21.5}, {"degrees": "x"}, {"room": "R1"}, 7]))
    assert {api.client.get("/v1/heating/sample").json()["degrees"] for _ in range(20)} == {21.5}


def test_a_sample_is_made_up_when_there_is_none(api):
    """Within the declared range; predict takes it."""
    api.serve(model(pointer()))
    sample = api.client.get("/v1/heating/sample").json()
    assert -50 <= sample["degrees"] <= 60
    assert api.client.post("/v1/heating/predict", json=sample).status_code == 200


def test_fields_are_told(api):
    """For a form."""
    facts = api.client.get("/v1/heating/fields").json()
    assert facts["key"] == "room"
    assert facts["fields"][0]["description"] == "°C"


def test_the_switch_is_on_kafka_when_it_is_answered(api):
    """`applied` as soon as the trainer has said so."""

    def trainer(topic, key, value):
        api.records.take(topic, key, value)
        api.records.take(STATUS, "heating/0", status(training={"wanted": False, "applied": False}))

    api.outbox.listen = trainer
    answer = api.client.put("/v1/heating/training", json={"enabled": False})
    assert answer.json() == {"enabled": False, "applied": False}
    assert api.outbox.sent[0][:2] == (CONTROL, training_key("heating"))
    assert api.client.get("/v1/heating/training").json() == {"enabled": False, "applied": False}


def test_without_a_trainer_the_switch_is_still_set(api):
    """Who starts later reads it."""
    api.outbox.listen = api.records.take
    answer = api.client.put("/v1/heating/training", json={"enabled": False})
    assert answer.json() == {"enabled": False, "applied": None}


def test_a_body_that_is_not_said_to_be_json_is_told_which_header_to_send(api):
    """As curl sends it without one."""
    said = api.problem("put", "/v1/heating/training", 422, data={"enabled": "true"})
    assert said == "the body must be sent with the header content-type: application/json"


@pytest.mark.parametrize("body", [{}, {"enabled": "no"}, {"enabled": 1}, {"enabled": True, "more": 1}])
def test_the_switch_is_true_or_false(api, body):
    """Nothing that looks like it."""
    assert api.problem("put", "/v1/heating/training", 422, json=body)


def test_a_switch_that_kafka_does_not_take_is_an_error(api):
    """Not an answer that is true nowhere."""
    api.outbox.away = True
    assert api.problem("put", "/v1/heating/training", 503, json={"enabled": False})


def test_versions_are_listed_best_first(api, version):
    """LogLoss: the lower, the better; without a value last."""
    rolling = {1: 0.4, 2: None, 3: 0.2, 4: 0.3}
    api.versions.known = [version(number, "o", rolling=value) for number, value in rolling.items()]
    facts = api.client.get("/v1/heating/models").json()
    assert [one["version"] for one in facts["models"]] == [3, 4, 1, 2]
    assert facts["models"][0]["version_url"] == "http://mlflow/3"
    assert facts["models"][0]["aliases"] == ["champion"]


def test_without_mlflow_only_the_list_is_missing(api):
    """503 here, answers elsewhere."""
    api.versions.away = True
    api.serve(model(pointer()))
    api.problem("get", "/v1/heating/models", 503)
    assert api.client.post("/v1/heating/predict", json={"degrees": 1}).status_code == 200


@pytest.fixture
def pinnable(api, version):
    """Version 4 is registered; its snapshot is pruned from the store; what is pinned is served at once."""

    def follow(topic, key, value):
        api.records.take(topic, key, value)
        pin = api.records.pin("heating")
        api.serve(model(pointer(), pinned=pin and pin.version))

    api.outbox.listen = follow
    api.versions.known = [version(4, "models/heating/0/1-1.model")]
    api.versions.snapshots = {4: FOUR}
    return api


def test_a_pin_copies_the_snapshot_first(pinnable):
    """From MLflow, when the store has pruned it."""
    assert pinnable.client.put("/v1/heating/models/pin", json={"version": 4}).json() == {"version": 4, "applied": True}
    assert pinnable.store.objects == {"pins/heating/4.model": FOUR}
    assert pinnable.records.pin("heating").version == 4
    answer = pinnable.client.post("/v1/heating/predict", json={"degrees": 1}).json()
    assert answer["model"]["version"] == 4


def test_a_pin_takes_the_store_before_mlflow(pinnable):
    """The object is what was registered."""
    stored = seal_model(pointer(), learned(), KEY)
    pinnable.store.objects["models/heating/0/1-1.model"] = stored
    pinnable.client.put("/v1/heating/models/pin", json={"version": 4})
    assert pinnable.store.objects["pins/heating/4.model"] == stored


def test_unpin_serves_the_newest_again(pinnable):
    """A tombstone on the control topic."""
    pinnable.client.put("/v1/heating/models/pin", json={"version": 4})
    answer = pinnable.client.delete("/v1/heating/models/pin")
    assert answer.json() == {"version": None, "applied": True}
    assert pinnable.outbox.sent[-2] == (CONTROL, "pin/heating", None)


def test_who_pins_and_switches_is_on_record(pinnable):
    """Beside each wanted state what was done, to what, for whom and when."""
    pinnable.client.put("/v1/heating/models/pin", json={"version": 4})
    pinnable.client.delete("/v1/heating/models/pin")
    pinnable.client.put("/v1/heating/training", json={"enabled": False})
    records = [orjson.loads(value) for topic, _, value in pinnable.outbox.sent if topic == AUDIT]
    assert [(record["what"], record.get("to")) for record in records] == [
        ("pinned", 4),
        ("unpinned", None),
        ("training off", None),
    ]
    assert {(record["use_case"], record["by"]) for record in records} == {("heating", "the API, for testclient")}
    assert len({record["id"] for record in records}) == 3


def test_an_unknown_version_is_not_pinned(pinnable):
    """404, and nothing is written."""
    assert "no version 5" in pinnable.problem("put", "/v1/heating/models/pin", 404, json={"version": 5})
    assert pinnable.outbox.sent == []


def test_a_version_that_is_refused_is_not_pinned(pinnable):
    """409 with the reason."""
    pinnable.versions.snapshots = {4: FOUR[:-9] + b"elsewhere"}
    assert "checksum" in pinnable.problem("put", "/v1/heating/models/pin", 409, json={"version": 4})
    assert (pinnable.outbox.sent, pinnable.store.objects) == ([], {})


def test_without_mlflow_a_copy_made_before_is_pinned(pinnable):
    """Rolling back must not depend on it."""
    pinnable.versions.away = True
    pinnable.problem("put", "/v1/heating/models/pin", 503, json={"version": 4})
    pinnable.store.objects["pins/heating/4.model"] = FOUR
    assert pinnable.client.put("/v1/heating/models/pin", json={"version": 4}).json()["applied"]


def test_prometheus_reads_age_and_counts(api):
    """Of each model that is served."""
    api.serve(model(pointer(n=5)))
    text = api.client.get("/metrics").text
    assert 'headrace_model_learned{shard="0",use_case="heating"} 500.0' in text
    assert 'headrace_model_age_seconds{shard="0",use_case="heating"}' in text


def test_openapi_is_written_out_for_each_use_case(api):
    """Its own request, an example that is valid, no `{use_case}`."""
    document = api.client.get("/openapi.json").json()
    assert not [path for path in document["paths"] if "{" in path]
    body = document["paths"]["/v1/heating/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/heating-request"}
    assert set(document["components"]["schemas"]["heating-request"]["properties"]) == {"degrees", "room", "id"}
    api.serve(model(pointer()))
    example = body["examples"]["by features"]["value"]
    assert api.client.post("/v1/heating/predict", json=example).status_code == 200
    assert api.client.get("/docs").status_code == 200


def test_metrics_tell_how_long_a_trainer_has_been_silent(api):
    """By the time that it said itself."""
    said = datetime.now(UTC) - timedelta(seconds=60)
    api.records.take(STATUS, "heating/1", status(shard="1", use_case="heating", time=said))
    assert 60 <= shown(api)['headrace_trainer_silent_seconds{shard="1",use_case="heating"}'] < 120


def test_metrics_count_requests_by_route_and_never_by_path(api):
    """What is no route has a name of its own, and so has a method that nobody knows."""
    before = shown(api)
    api.client.get("/v1/heating")
    api.client.get("/v1/heating/7391")
    api.client.request("BREW", "/livez")
    risen = {name for name, value in shown(api).items() if value > before.get(name, 0) and "requests_total" in name}
    assert risen >= {
        'headrace_http_requests_total{method="GET",route="/v1/{use_case}",status="200"}',
        'headrace_http_requests_total{method="GET",route="none",status="404"}',
        'headrace_http_requests_total{method="other",route="/livez",status="405"}',
    }
    assert not [name for name in shown(api) if "7391" in name]


def test_metrics_tell_which_model_is_served(api):
    """With its candidate and the build that serves it; a model that is replaced leaves no series."""
    api.serve(model(pointer(n=5)))
    (info,) = [name for name in shown(api) if name.startswith("headrace_model_info")]
    assert info == 'headrace_model_info{candidate="logistic",pinned="false",shard="0",use_case="heating",version=""}'
    assert any(name.startswith('headrace_build_info{python="3') for name in shown(api))


def shown(api):
    """What Prometheus reads, by series."""
    lines = [line for line in api.client.get("/metrics").text.splitlines() if line.startswith("headrace_")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_an_answer_bears_the_id_of_its_request(api):
    """The client's own, when it is one; else a new one, which a failure's log line bears too."""
    assert api.client.get("/livez", headers={"x-request-id": "a-1"}).headers["x-request-id"] == "a-1"
    new = api.client.get("/livez", headers={"x-request-id": "two words\t"}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", new)


def test_several_workers_show_the_metrics_of_all_and_of_their_processes(tmp_path):
    """Each scrape is answered by one of them."""
    program = """
from tests.api import Api, model, pointer
api = Api()
api.serve(model(pointer(n=5)))
api.client.get("/livez")
print(api.client.get("/metrics").text)
"""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command, root = [sys.executable, "-c", program], Path(__file__).parents[3]
    for asked in (1, 2):  # one process after the other, as two workers
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
        assert f'headrace_http_requests_total{{method="GET",route="/livez",status="200"}} {asked}.0' in done.stdout
    for name in ("process_resident_memory_bytes ", "process_cpu_seconds_total ", "headrace_model_info{"):
        assert done.stdout.count(f"\n{name}") == 1
