"""Who will leave within thirty days."""

import copy
import datetime as dt
from itertools import islice
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from producers import telecom
from streaming.errors import BadRecord
from streaming.usecase import Answer, Question
from usecases.telecom.churn import Churn, ChurnFeatures
from usecases.telecom.customer import Customer
from usecases.telecom.events import CHURN, USAGE


@pytest.fixture(scope="module")
def asked() -> list[tuple[dt.date, Question]]:
    """The questions of some thousand events of the simulator, with their days."""
    churn: Any = Churn()
    customers: dict[str, Customer] = {}
    found = []
    for topic, event in islice(telecom.events(seed=3), 5_000):
        if topic is USAGE:
            customer = customers.setdefault(event["customer_id"], Customer())
            found += [(event["date"], question) for question in churn.ask(event, customer)]
    return found


def test_a_question_a_week(asked):
    """Each customer is asked about seven days after the first event, then every seven days."""
    first: dict[str, dt.date] = {}
    for topic, event in islice(telecom.events(seed=3), 5_000):
        if topic is USAGE:
            first.setdefault(event["customer_id"], event["date"])
    days: dict[str, list[int]] = {}
    for date, question in asked:
        days.setdefault(question.key, []).append((date - first[question.key]).days)
    assert all(found == list(range(7, 7 * len(found) + 1, 7)) for found in days.values())
    assert len(days) >= 60


def test_leaving_answers_all_questions_of_the_customer():
    """A churn event answers by key, so that every open question hears it."""
    event = {"customer_id": "C7", "date": dt.date(2026, 2, 1)}
    churn: Any = Churn()
    assert list(churn.answer(event, Customer())) == [Answer(y=True, key="C7")]


def test_answers_are_heard_first():
    """At one moment a churn event comes before usage, and silence means that the customer stayed."""
    assert Churn.topics == (CHURN, USAGE)
    assert (Churn.unanswered, Churn.horizon) == (False, dt.timedelta(days=30))


def test_x_is_a_request(asked):
    """What the models are given can be sent as a request, and gives itself."""
    requests = TypeAdapter(ChurnFeatures)
    for _, question in asked[:200]:
        assert Churn().features(dict(requests.validate_python(question.x)), {}) == question.x


def test_overage_and_trend_are_worked_out(asked):
    """A request without overage and trend gives the same x as one with them."""
    _, question = asked[0]
    body = {name: value for name, value in question.x.items() if name not in ("overage", "trend")}
    assert Churn().features(body, {}) == question.x


def test_overage_is_money_beyond_the_base(asked):
    """Overage is what a month of this use costs beyond the current plan's base."""
    body = {**asked[0][1].x, "avg_data_gb": 7.0, "avg_minutes": 0, "avg_sms": 0, "current_plan": "basic"}
    del body["overage"]
    assert Churn().features(body, {})["overage"] == 10.0


def test_given_overage_stays(asked):
    """Overage that the request gives is not worked out again."""
    assert Churn().features({**asked[0][1].x, "overage": 3.5}, {})["overage"] == 3.5


@pytest.mark.parametrize(("recent", "trend"), [(30.0, 1.0), (15.0, 0.5), (0.0, 0.0)])
def test_trend(asked, recent, trend):
    """Trend is the last week's use to the month's; what is not used at all does not count."""
    body = {**asked[0][1].x, "avg_data_gb": 30.0, "avg_minutes": 30.0, "avg_sms": 0.0}
    body |= {"recent_data_gb": recent, "recent_minutes": recent, "recent_sms": 0.0}
    del body["trend"]
    assert Churn().features(body, {})["trend"] == trend


def test_features_change_nothing(asked):
    """`features` leaves event and view as they are."""
    _, question = asked[0]
    body, view = {"avg_data_gb": 3.0}, dict(question.x)
    before = copy.deepcopy((body, view))
    Churn().features(body, view)
    assert (body, view) == before


def test_unknown_customer():
    """A request with the key of nobody names the first feature that it would need."""
    with pytest.raises(BadRecord, match="avg_data_gb is missing"):
        Churn().features({"customer_id": "nobody"}, {})


def test_request_schema_has_units_and_bounds():
    """The request schema describes its amounts and refuses a negative one."""
    requests = TypeAdapter(ChurnFeatures)
    properties = requests.json_schema()["properties"]
    assert all("description" in field or "enum" in field for field in properties.values())
    with pytest.raises(ValidationError):
        requests.validate_python({"avg_data_gb": -1})
