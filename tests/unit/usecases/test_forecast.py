"""What the next price will be."""

import copy
import datetime as dt
import pickle
from itertools import islice
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter, ValidationError
from river import linear_model

from producers import market
from streaming import unpickle
from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.settings import Settings
from streaming.usecase import Event
from tests.hash_seeds import said_with_each_of_two
from usecases.market.changes import Changes, Persistence
from usecases.market.events import PRICES
from usecases.market.forecast import Forecast, followed_by, request_of
from usecases.market.series import Series
from usecases.registry import load_use_cases, modules_of

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)

_LEARN = """
import hashlib
from itertools import islice
from typing import Any
from producers import market
from usecases.market.forecast import Forecast

use_case, profiles, told = Forecast(), {}, hashlib.sha256()
models = [make() for make in use_case.candidates.values()]
power = (event for _, event in market.events() if event["symbol"] == "POWER")
for event in islice(power, 320):  # until the forest is renewed
    for example in use_case.learn(event, profiles.setdefault(event["symbol"], use_case.profile())):
        for model in models:
            told.update(repr(model.predict_one(example.x)).encode())
            model.learn_one(example.x, example.y)
print(told.hexdigest())
"""


def price(value: float, hour: int = 0, symbol: str = "GAS") -> Event:
    """An event `hour` hours after noon."""
    return {"symbol": symbol, "time": NOON + dt.timedelta(hours=hour), "value": value}


def examples(use_case: Any, profile: Series, *events: Event) -> list[Any]:
    """What the events of one symbol teach."""
    return [example for event in events for example in use_case.learn(event, profile)]


def of_lags(lags: int) -> Forecast:
    """The use case by its setting."""
    found = Forecast.configured(Settings(forecast={"lags": lags}))  # type: ignore[arg-type]
    assert isinstance(found, Forecast)
    return found


def test_a_price_is_the_answer_to_those_before_it():
    """The newest lag is in_1; what is not known yet is 0, and available_lags tells how many are."""
    found = examples(of_lags(3), Series(), *(price(10.0 * n, n) for n in range(1, 6)))
    x = [(one.x["available_lags"], *(one.x[f"in_{at}"] for at in (1, 2, 3))) for one in found]
    assert x == [(0, 0, 0, 0), (1, 10, 0, 0), (2, 20, 10, 0), (3, 30, 20, 10), (3, 40, 30, 20)]
    assert [one.y for one in found] == [10, 20, 30, 40, 50]
    assert {(one.key, one.x["symbol"]) for one in found} == {("GAS", "GAS")}


def test_what_is_told_again_or_late_teaches_nothing():
    """A price no newer than the last one changes neither lags nor models."""
    profile = Series()
    first = examples(Forecast(), profile, price(10, 1), price(20, 2))
    before = profile.view()
    assert examples(Forecast(), profile, price(20, 2), price(99, 2), price(15, 1)) == []
    assert len(first) == 2
    assert profile.view() == before == {"in_1": 20, "in_2": 10}


def test_a_time_without_a_zone_is_utc():
    """Among those that have one: none of them fails, none is taken for newer than it is."""
    bare = {**price(20, 2), "time": price(0, 2)["time"].replace(tzinfo=None)}
    profile = Series()
    assert len(examples(Forecast(), profile, price(10, 1), bare, price(20, 2), price(30, 3))) == 3
    assert examples(Forecast(), profile, bare) == []


def test_the_copy_of_a_series_stays_when_the_series_goes_on():
    """A handler that fails is undone by it."""
    profile = Series()
    examples(Forecast(), profile, price(10, 1))
    kept = profile.copy()
    examples(Forecast(), profile, price(20, 2))
    assert (kept.view(), kept.time) == ({"in_1": 10}, NOON + dt.timedelta(hours=1))


def test_the_number_of_lags_is_a_setting():
    """Request, features and series have as many; the name stays."""
    use_case = of_lags(4)
    profile = Series()
    examples(use_case, profile, *(price(n, n) for n in range(1, 9)))
    assert list(profile.view()) == ["in_1", "in_2", "in_3", "in_4"]
    assert use_case.name == Forecast.name == "forecast"
    assert [name for name in type(use_case).request.__annotations__ if name.startswith("in_")] == list(profile.view())
    assert "in_10" in Forecast().features({"symbol": "GAS"}, {})


def test_a_request_gives_the_lags_it_has():
    """From in_1 on; the rest is 0, the view is not mixed in, and x is a request that gives itself."""
    x = of_lags(3).features({"symbol": "GAS", "in_1": 5, "in_2": 4}, {"in_1": 1.0, "in_2": 1.0, "in_3": 1.0})
    assert x == {"symbol": "GAS", "available_lags": 2, "in_1": 5.0, "in_2": 4.0, "in_3": 0.0}
    assert of_lags(3).features(dict(x), {}) == x


def test_a_gap_in_the_lags_is_named():
    """Which lag is missing."""
    with pytest.raises(BadRecord, match="in_2 is missing: lags are given from in_1 on"):
        Forecast().features({"symbol": "GAS", "in_1": 5, "in_3": 4}, {})


def test_fewer_real_lags_than_given_are_zeros():
    """available_lags of a request hides what lies beyond."""
    x = of_lags(3).features({"symbol": "GAS", "in_1": 5, "in_2": 4, "in_3": 3, "available_lags": 1}, {})
    assert (x["available_lags"], x["in_2"], x["in_3"]) == (1, 0.0, 0.0)


@pytest.mark.parametrize("lags", [{"in_1": 5.0}, {"in_1": 0.0}, {"in_1": 5.0, "in_2": 4.0, "in_3": 3.0}])
def test_lags_of_which_none_is_real_are_refused(lags):
    """There would be nothing to go on from; only the x of a series' first event is like that, and all zeros."""
    with pytest.raises(BadRecord, match="available_lags is 0, but in_1 is given: wanted at least 1, or no"):
        of_lags(3).features({"symbol": "GAS", **lags, "available_lags": 0}, {})
    first = of_lags(3).features({"symbol": "GAS"}, {})
    assert of_lags(3).features(dict(first), {}) == first


@pytest.mark.parametrize("value", [1e308, -1e308, 1.1e12])
def test_values_that_would_swallow_every_metric_are_refused(value):
    """In events and in the lags of a request: the mean of errors stays finite."""
    with pytest.raises(BadRecord, match="value must be "):
        Codec(PRICES).decode(orjson.dumps({**price(0), "value": value}))
    for lag in ("in_1", "in_2"):
        with pytest.raises(ValidationError):
            TypeAdapter(request_of(3)).validate_python({"in_1": 1.0, lag: value})


def test_features_change_nothing():
    """Event and view stay as they are."""
    event, view = price(5), {"in_1": 3.0}
    before = copy.deepcopy((event, view))
    Forecast().features(event, view)
    assert (event, view) == before


def test_persistence_rules_until_there_is_a_model():
    """The newest value; nothing where nothing is known. The answer tells how many lags are real."""
    known, unknown = (Forecast().features({"symbol": "GAS"}, view) for view in ({"in_1": 3.0}, {}))
    assert (Forecast().rules(known), Forecast().rules(unknown)) == (3.0, None)
    assert Forecast().explain(known, 3.0) == {"available_lags": 1}


def test_the_request_schema_describes_its_fields_and_bounds_available_lags():
    """And wants the newest lag at least."""
    requests: TypeAdapter[Any] = TypeAdapter(request_of(3))
    assert all("description" in field for field in requests.json_schema()["properties"].values())
    for wrong in ({}, {"in_1": 1.0, "available_lags": 4}):
        with pytest.raises(ValidationError):
            requests.validate_python(wrong)


def test_a_forecast_followed_by_its_own_value_is_the_next_step():
    """The same x as that of the event that brings this value."""
    use_case, profile = of_lags(3), Series()
    one, two = examples(use_case, profile, price(10, 1), price(20, 2), price(30, 3))[1:]
    assert followed_by(one.x, one.y) == two.x


def test_a_model_of_changes_knows_no_scale():
    """A series a hundred times as high is predicted a hundred times as high."""
    one, other = (Forecast.candidates["linear"]() for _ in range(2))
    profiles = Series(), Series()
    for _, event in islice((pair for pair in market.events(seed=2) if pair[1]["symbol"] == "GAS"), 300):
        high = {**event, "value": 128 * event["value"]}  # a power of two, so that no bit is rounded
        for model, told, profile in ((one, event, profiles[0]), (other, high, profiles[1])):
            for example in examples(Forecast(), profile, told):
                model.learn_one(example.x, example.y)
    x, y = (Forecast().features({"symbol": "GAS"}, profile.view()) for profile in profiles)
    assert other.predict_one(y) == pytest.approx(128 * one.predict_one(x), rel=1e-12)
    assert one.predict_one(x) != x["in_1"]


def test_a_leap_does_not_spoil_a_model():
    """A change of a thousand usual ones is learned as a few."""
    off = []
    for limit in (6.0, 1e9):
        model = Changes(linear_model.LinearRegression(), limit=limit)
        for at in range(100):
            model.learn_one({"in_1": 10.0 + at % 2, "in_2": 11.0 - at % 2, "available_lags": 2}, 11.0 - at % 2)
        model.learn_one({"in_1": 10.0, "in_2": 11.0, "available_lags": 2}, 1_010.0)
        off.append(abs(model.predict_one({"in_1": 10.0, "in_2": 11.0, "available_lags": 2}) - 10.0))
    assert off[0] < off[1] / 3


def test_persistence_needs_a_value():
    """None before the first one."""
    assert Persistence().predict_one({"in_1": 0.0, "available_lags": 0}) is None


@pytest.mark.parametrize("name", Forecast.candidates)
def test_every_candidate_comes_back_through_the_allow_list(name):
    """With the lags of a setting too: the same definition, the same forecast; asking changes nothing."""
    use_case = next(u for u in load_use_cases(Settings(forecast={"lags": 4})).values() if u.name == "forecast")  # type: ignore[arg-type]
    model, profile = use_case.candidates[name](), Series()
    assert isinstance(use_case, Forecast)
    for example in examples(use_case, profile, *(price(100 + n % 7, n) for n in range(40))):
        model.learn_one(example.x, example.y)
    x = use_case.features({"symbol": "GAS"}, profile.view())
    content = pickle.dumps(model, 5)
    again = unpickle.loads(content, unpickle.allowed_names(modules_of(use_case)))
    assert again.predict_one(x) == model.predict_one(x)
    assert pickle.dumps(model, 5) == content
    assert repr(again) == repr(model) == repr(use_case.candidates[name]())


def test_hash_seed_does_not_matter():
    """Two processes with different hash seeds predict the same to the last bit, all candidates."""
    assert len(said_with_each_of_two(_LEARN)) == 1
