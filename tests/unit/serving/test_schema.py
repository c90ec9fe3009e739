"""What a use case takes as a request."""

import datetime as dt
import random
from typing import Annotated, Any, NotRequired

import orjson
import pytest
from pydantic import Field
from typing_extensions import TypedDict

from serving.problem import Problem
from serving.schema import RequestSchema
from streaming.settings import Settings
from streaming.topics import Topic
from streaming.usecase import UseCase
from usecases.registry import load_use_cases
from usecases.telecom.churn import Churn
from usecases.telecom.plan import Plan

USE_CASES = load_use_cases(Settings())
PLAN = {
    "avg_data_gb": 7.5,
    "avg_minutes": 310,
    "avg_sms": 12.0,
    "region": "north",
    "current_plan": "basic",
    "current_monthly_spend": 32.5,
}


class Order(TypedDict):
    """An order, of every kind of field."""

    pieces: Annotated[int, Field(ge=1, le=9)]
    price: Annotated[float, Field(gt=0, lt=1, description="share of the list price")]
    day: dt.date
    at: dt.datetime
    gift: bool
    note: NotRequired[str]


class Orders(UseCase):
    """No profile: nothing can be looked up."""

    topics = (Topic("orders", Order, key="note", time="at"),)
    request = Order


def parse(use_case: UseCase, body: Any) -> dict[str, Any]:
    """Send it as JSON."""
    return RequestSchema(use_case).parse(orjson.dumps(body))


def test_features_are_a_request():
    """Whole numbers are numbers."""
    assert parse(Plan(), PLAN) == PLAN


def test_key_and_id_are_allowed_beside_them():
    """The key comes from the topic that asks the questions."""
    schema = RequestSchema(Plan())
    assert schema.key == "customer_id"
    assert schema.parse(b'{"customer_id":"C1","id":"mine"}') == {"customer_id": "C1", "id": "mine"}
    assert schema.required == PLAN.keys()


def test_what_can_be_worked_out_is_not_required():
    """Churn's overage and trend may be left out."""
    schema = RequestSchema(Churn())
    assert "trend" not in schema.required
    assert schema.parse(b'{"trend":1.5}') == {"trend": 1.5}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"", 400, "the body is not JSON"),
        (b"[]", 422, "the body must be"),
        (b'{"avg_sms": -1}', 422, "avg_sms must be greater than or equal to 0, got -1"),
        (b'{"avg_sms": "1"}', 422, "avg_sms must be a valid number, got '1'"),
        (b'{"avg_sms": NaN}', 422, "avg_sms must be a finite number, got nan"),
        (b'{"region": "moon"}', 422, "region must be 'north', 'south', 'east', 'west' or 'capital', got 'moon'"),
        (b'{"avgsms": 1}', 422, "avgsms is not a field of this request"),
        (b'{"customer_id": ""}', 422, "customer_id must have at least 1 character, got ''"),
    ],
)
def test_a_wrong_body_is_told_what_is_wanted_and_what_came(body, status, detail):
    """One sentence about the first mistake."""
    with pytest.raises(Problem, match=detail.replace("(", r"\(")) as problem:
        RequestSchema(Plan()).parse(body)
    assert problem.value.status == status


def test_a_wrong_row_is_named():
    """By its place in the list, from 0."""
    with pytest.raises(Problem, match=r"1\.avg_sms must be greater"):
        RequestSchema(Plan()).parse_rows(orjson.dumps([PLAN, PLAN | {"avg_sms": -1}]))


@pytest.mark.parametrize("use_case", [Plan(), Churn(), Orders()])
def test_a_made_up_body_is_valid(use_case):
    """Fifty of them, as they travel."""
    schema, dice = RequestSchema(use_case), random.Random(3)
    for _ in range(50):
        made_up = schema.made_up(dice)
        assert schema.required <= schema.parse(orjson.dumps(made_up)).keys()


@pytest.mark.parametrize("name", [name for name, one in USE_CASES.items() if type(one).request])
def test_a_made_up_body_is_answered(name):
    """The features accept it without a look-up, also where one of several fields that are not required is wanted."""
    use_case, dice = USE_CASES[name], random.Random(3)
    schema = RequestSchema(use_case)
    for _ in range(50):
        made_up = schema.parse(orjson.dumps(schema.made_up(dice)))
        assert use_case.features(made_up, {})
        assert schema.accepts(made_up)
        assert schema.shard_key is None or schema.shard_key in made_up


def test_a_body_that_features_refuse_is_no_sample():
    """Every field that is required is there, and yet something is missing."""
    schema, dice = RequestSchema(USE_CASES["interactions"]), random.Random(3)
    made_up = schema.parse(orjson.dumps(schema.made_up(dice)))
    assert not schema.accepts({name: made_up[name] for name in schema.order})


def test_a_made_up_number_is_no_bound_against_nonsense():
    """A price of a few coins, though a billion is allowed."""
    schema, dice = RequestSchema(USE_CASES["fair-price"]), random.Random(3)
    assert all(0 < schema.made_up(dice)["market_price"] < 1_000 for _ in range(50))
    schema = RequestSchema(USE_CASES["forecast"])
    assert all(abs(schema.made_up(dice)["in_1"]) < 1_000 for _ in range(50))


def test_a_body_that_lacks_features_is_no_sample():
    """A sample must work by itself."""
    schema = RequestSchema(Plan())
    assert schema.accepts(PLAN)
    assert not schema.accepts({"customer_id": "C1"})
    assert not schema.accepts(PLAN | {"region": "moon"})


def test_fields_have_types_values_and_ranges():
    """What a form needs."""
    fields = {field["name"]: field for field in RequestSchema(Orders()).fields()}
    assert fields["pieces"] == {"name": "pieces", "type": "integer", "required": True, "minimum": 1, "maximum": 9}
    assert fields["price"]["exclusiveMaximum"] == 1
    assert fields["price"]["description"] == "share of the list price"
    assert (fields["day"]["type"], fields["at"]["type"], fields["gift"]["type"]) == ("date", "date-time", "boolean")
    assert fields["note"]["required"] is False
    plan = {field["name"]: field for field in RequestSchema(Plan()).fields()}
    assert plan["current_plan"]["values"] == ["basic", "standard", "premium"]


def test_without_a_profile_there_is_no_key():
    """Nothing is kept by key that could be looked up."""
    assert RequestSchema(Orders()).key is None
