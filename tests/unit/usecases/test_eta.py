"""In how many minutes the passenger is there."""

import datetime as dt
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from river import metrics

from benchmarks.simulated import events_of, lanes_of
from streaming.errors import BadRecord
from streaming.usecase import Answer, Question
from trainer.offline import learn
from usecases.great_circle import distance_km
from usecases.rides.eta import Eta, EtaFeatures, few, flags, measures
from usecases.rides.events import ARRIVALS, REQUESTS
from usecases.rides.zone import Zone

REQUEST = {
    "ride_id": "R1",
    "pickup_zone": "centre",
    "time": dt.datetime(2026, 1, 10, 17, 30, tzinfo=dt.UTC),
    "pickup_lat": 48.2,
    "pickup_lon": 16.37,
    "dropoff_lat": 48.22,
    "dropoff_lon": 16.4,
    "weather": "snow",
    "driver_rating": 4.5,
    "vehicle": "van",
}
VIEW = {"zone_pace": 3.0, "zone_pace_now": 3.5}
ARRIVAL = {
    "ride_id": "R1",
    "pickup_zone": "centre",
    "time": dt.datetime(2026, 1, 10, 18, tzinfo=dt.UTC),
    "minutes": 30.0,
    "km": 5.0,
}


def x(**changed: Any) -> dict[str, Any]:
    return Eta().features({**REQUEST, **changed}, VIEW)


def test_a_request_is_a_question_of_its_own():
    """It is asked under the ride's id, with the zone as it is known at that moment."""
    eta: Any = Eta()
    assert list(eta.ask(REQUEST, Zone())) == [Question("centre", eta.features(REQUEST, Zone().view()), "R1")]


def test_an_arrival_answers_its_ride():
    """With the minutes since the request."""
    eta: Any = Eta()
    assert list(eta.answer(ARRIVAL, Zone())) == [Answer(30.0, id="R1")]


def test_answers_are_heard_first_and_cancelled_rides_expire():
    """At one moment arrivals come before requests; six hours without an arrival teach nothing."""
    assert Eta.topics == (ARRIVALS, REQUESTS)
    assert (Eta.horizon, Eta.unanswered) == (dt.timedelta(hours=6), None)


def test_only_arrivals_change_a_zone():
    """A request leaves the zone as it was."""
    eta: Any = Eta()
    zone = Zone()
    before = zone.view()
    list(eta.ask(REQUEST, zone))
    assert zone.view() == before
    list(eta.answer(ARRIVAL, zone))
    assert zone.view() != before


def test_pace_follows_the_arrivals():
    """After many rides of 4 minutes a km that is the pace; ten of 8 minutes move the fast mean, hardly the slow one."""
    zone = Zone()
    for _ in range(2_000):
        zone.update({"minutes": 20.0, "km": 5.0})
    assert zone.view() == pytest.approx({"zone_pace": 4.0, "zone_pace_now": 4.0})
    for _ in range(10):
        zone.update({"minutes": 40.0, "km": 5.0})
    view: Any = zone.view()
    assert view["zone_pace_now"] > 6.5
    assert view["zone_pace"] < 4.3


def test_the_first_ride_is_not_the_rule():
    """Before any ride a zone has a usual pace, which the first one moves only in part."""
    zone = Zone()
    usual: Any = zone.view()["zone_pace"]
    zone.update({"minutes": 60.0, "km": 5.0})
    assert usual < float(zone.view()["zone_pace"]) < 9.0


def test_a_copy_of_a_zone_is_its_own():
    """What happens to the zone does not change the copy."""
    zone = Zone()
    kept = zone.copy()
    zone.update(ARRIVAL)
    assert kept.view() == Zone().view()
    assert kept.view() != zone.view()


def test_x_is_a_request():
    """What the models are given can be sent as a request, and gives itself."""
    found = x()
    requests: Any = TypeAdapter(EtaFeatures)
    assert requests.validate_python(found, strict=True) == found
    assert Eta().features(found, {}) == found


def test_by_time_and_by_the_clock_are_the_same():
    """A request that tells its time, in any zone, gives the same x as one that tells hour and weekday."""
    assert (x()["hour"], x()["weekday"]) == (17.5, 5)
    paris = dt.timezone(dt.timedelta(hours=1))
    assert x(time=dt.datetime(2026, 1, 10, 18, 30, tzinfo=paris)) == x()
    assert x(time=dt.datetime(2026, 1, 10, 17, 30)) == x()  # noqa: DTZ001  # a time without zone is UTC
    asked = {name: value for name, value in x().items() if name not in VIEW}
    assert Eta().features(asked, VIEW) == x()


@pytest.mark.parametrize("name", ["pickup_lat", "weather", "time"])
def test_what_is_missing_is_named(name):
    """A request without one of its own fields cannot be answered."""
    asked = {field: value for field, value in REQUEST.items() if field != name}
    with pytest.raises(BadRecord, match=f"{name} is missing"):
        Eta().features(asked, VIEW)


@pytest.mark.parametrize("wrong", [{"pickup_lat": 91.0}, {"weather": "hail"}, {"driver_rating": 0.5}, {"hour": 24.0}])
def test_request_bounds(wrong):
    """What cannot be is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(EtaFeatures).validate_python({**x(), **wrong})


def test_distance():
    """A quarter of the equator, no way at all, and the same way back."""
    assert distance_km(0, 0, 0, 90) == pytest.approx(10_007.5, abs=1)
    assert distance_km(48.2, 16.3, 48.2, 16.3) == 0
    assert distance_km(48.2, 16.3, 48.3, 16.5) == pytest.approx(distance_km(48.3, 16.5, 48.2, 16.3))


def test_the_clock_is_a_circle():
    """A minute before midnight is next to a minute after it."""
    late, early = (measures(x(time=dt.datetime(2026, 1, *when, tzinfo=dt.UTC))) for when in ((11, 23, 59), (12, 0, 1)))
    for name in ("day_sin", "day_cos", "half_day_sin", "half_day_cos", "week_sin", "week_cos"):
        assert late[name] == pytest.approx(early[name], abs=0.02)


def test_flags():
    """One of each kind is 1."""
    assert [name for name, value in flags(x()).items() if value] == ["weekend", "snow", "van"]


def test_a_tree_sees_a_part_of_what_the_linear_model_sees():
    """Nothing else."""
    all_of = measures(x()) | flags(x())
    assert few(x()).items() < all_of.items()


def test_the_learner_gives_what_a_bare_loop_of_river_gives():
    """Over the simulator's first events the MAE of the linear model is exactly that of the loop written by hand."""
    eta: Any = Eta()
    events = events_of(eta, 1_500, seed=4)
    learner, _, dead = learn(eta, lanes_of(eta, events))
    assert not dead

    model, mae = Eta.candidates["linear"](), metrics.MAE()
    asked: dict[str, Any] = {}
    zones: dict[str, Zone] = {}
    for topic, event in events:
        zone = zones.setdefault(event["pickup_zone"], Zone())
        if topic == REQUESTS.name:
            features = eta.features(event, zone.view())
            asked[event["ride_id"]] = features, model.predict_one(features)
        else:
            zone.update(event)
            features, predicted = asked.pop(event["ride_id"])
            mae.update(event["minutes"], predicted)
            model.learn_one(features, event["minutes"])
    assert learner.state.candidates["linear"].scores.values()["MAE"] == mae.get()
