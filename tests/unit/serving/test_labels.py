"""Labels of the API's series have few values, whatever is asked of it."""

import ast
from http import HTTPStatus
from pathlib import Path

from tests.api import Api

SERVING = Path(__file__).parents[3] / "serving"


def test_a_problem_is_named_by_its_kind():
    """Its title is the label `reason`, so it holds nothing of the request: each is a constant of the code."""
    titles = [
        call.args[1 if call.func.id == "Problem" else 0]
        for file in SERVING.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"Problem", "busy"}
    ]
    assert len(titles) > 20
    made = {ast.unparse(title) for title in titles if not isinstance(title, ast.Constant)}
    assert made == {"title"}  # of `busy`, and the phrase of an HTTP status


def test_requests_of_all_kinds_leave_series_of_known_routes_statuses_and_reasons_alone():
    """A hundred paths, keys, use cases, methods and bodies that nobody knows."""
    api = Api()
    before = names(api)
    for number in range(100):
        api.client.get(f"/nothing/{number}")
        api.client.get(f"/v1/unknown-{number}")
        api.client.post(f"/v1/unknown-{number}/predict", json={"degrees": number})
        api.client.post("/v1/heating/predict", json={f"field-{number}": number})
        api.client.post("/v1/heating/predict", content=f"{{{number}".encode())
        api.client.put("/v1/heating/models/pin", json={"version": f"v{number}"})
        api.client.request(f"WORD{number}", "/livez")
    new = names(api) - before
    assert len(new) < 150  # histograms of a few routes
    phrases = {status.phrase for status in HTTPStatus}
    assert {name for name in new if any(character.isdigit() for character in label(name, "reason"))} == set()
    assert phrases & {label(name, "reason") for name in names(api)}  # of other tests of this process, too
    routes = {label(name, "route") for name in new} - {""}
    assert routes <= {
        "none",
        "/livez",
        "/metrics",
        "/v1/{use_case}",
        "/v1/{use_case}/predict",
        "/v1/{use_case}/models/pin",
    }
    assert {label(name, "method") for name in new} <= {"", "GET", "POST", "PUT", "other"}


def names(api):
    """Every series that Prometheus reads."""
    return {line.rpartition(" ")[0] for line in api.client.get("/metrics").text.splitlines() if line[0] != "#"}


def label(series, name):
    """The value of a label, empty where there is none."""
    return series.partition(f'{name}="')[2].partition('"')[0]
