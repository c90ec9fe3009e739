"""Which plan would cost a customer least."""

import copy
import pickle
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from producers import telecom
from streaming.usecase import Example
from usecases.telecom.catalog import MonthlyUse, costs
from usecases.telecom.customer import Customer
from usecases.telecom.events import USAGE
from usecases.telecom.plan import Plan, PlanFeatures


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """The examples of some thousand events of the simulator."""
    return list(learned(2_000))


def learned(count: int):
    """The examples of the simulator's first events."""
    plan: Any = Plan()
    customers: dict[str, Customer] = {}
    for topic, event in islice(telecom.events(seed=3), count):
        if topic is USAGE:
            yield from plan.learn(event, customers.setdefault(event["customer_id"], Customer()))


def test_every_usage_event_is_an_example(examples):
    """As many examples as usage events, none by anything else."""
    usage = sum(topic is USAGE for topic, _ in islice(telecom.events(seed=3), 2_000))
    assert len(examples) == usage


def test_label_is_the_cheapest_plan(examples):
    """Each label costs least at the use that the features tell."""
    for example in examples:
        by_plan = costs(MonthlyUse(example.x["avg_data_gb"], example.x["avg_minutes"], example.x["avg_sms"]))
        assert by_plan[example.y] == min(by_plan.values())


def test_x_is_a_request(examples):
    """What the models are given can be sent as a request, and gives itself."""
    requests = TypeAdapter(PlanFeatures)
    for example in examples[:200]:
        assert Plan().features(dict(requests.validate_python(example.x)), {}) == example.x


def test_key_alone_gives_the_same_x():
    """A request with the key alone is looked up in the view and gives what training was given."""
    plan: Any = Plan()
    customer = Customer()
    for topic, event in islice(telecom.events(seed=3, customers=1), 50):
        if topic is USAGE and event["customer_id"] == "C000000001":
            (example,) = plan.learn(event, customer)
            assert plan.features({"customer_id": "C000000001"}, customer.view()) == example.x


@given(st.dictionaries(st.sampled_from(list(PlanFeatures.__annotations__)), st.floats(0, 9)))
def test_features_change_nothing(body):
    """`features` leaves event and view as they are, and gives the same twice."""
    view = dict.fromkeys(PlanFeatures.__annotations__, 1.0)
    before = copy.deepcopy((body, view))
    assert Plan().features(body, view) == Plan().features(body, view)
    assert (body, view) == before


@pytest.mark.parametrize("name", Plan.candidates)
def test_candidates_pickle(name, examples):
    """A candidate that was pickled in mid-stream predicts and learns like the one that was not."""
    model = Plan.candidates[name]()
    for example in examples[:600]:
        model.learn_one(example.x, example.y)
    twin = pickle.loads(pickle.dumps(model, 5))  # our own bytes
    for example in examples[600:800]:
        assert twin.predict_proba_one(example.x) == model.predict_proba_one(example.x)
        model.learn_one(example.x, example.y)
        twin.learn_one(example.x, example.y)


@pytest.mark.parametrize("name", Plan.candidates)
def test_candidates_find_the_catalog(name, examples):
    """After a thousand examples every candidate is right in more than two of three."""
    model, right = Plan.candidates[name](), 0
    for number, example in enumerate(examples):
        right += number >= 1_000 and model.predict_one(example.x) == example.y
        model.learn_one(example.x, example.y)
    assert right / (len(examples) - 1_000) > 2 / 3
