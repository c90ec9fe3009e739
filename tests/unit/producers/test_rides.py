"""The city of rides: what a person who knows the business would look for."""

import datetime as dt
from itertools import islice, pairwise
from statistics import fmean, median

import pytest

from producers import rides
from streaming.topics import Topic
from streaming.usecase import Event
from usecases.great_circle import distance_km
from usecases.rides.eta import Eta
from usecases.rides.events import ARRIVALS, REQUESTS


def world(count: int, **options) -> list[tuple[Topic, Event]]:
    """The first events."""
    return list(islice(rides.events(**options), count))


@pytest.fixture(scope="module")
def weeks() -> list[tuple[Topic, Event]]:
    """Three weeks."""
    return world(40_000, seed=1)


@pytest.fixture(scope="module")
def done(weeks) -> list[tuple[Event, Event]]:
    """Each request with its arrival."""
    requests = {event["ride_id"]: event for topic, event in weeks if topic is REQUESTS}
    return [(requests[event["ride_id"]], event) for topic, event in weeks if topic is ARRIVALS]


def straight_km(request: Event) -> float:
    return distance_km(*(request[f"{what}_{axis}"] for what in ("pickup", "dropoff") for axis in ("lat", "lon")))


def pace(pairs):
    """Minutes a kilometre driven, of rides that are long enough for the wait to matter little."""
    found = [arrival["minutes"] / arrival["km"] for _, arrival in pairs if arrival["km"] > 3]
    assert len(found) > 50
    return median(found)


def test_order_of_each_topic(weeks):
    """Within a topic events rise by (time, zone), so that the last one tells what has been sent."""
    for topic in (ARRIVALS, REQUESTS):
        places = [(event["time"], event["pickup_zone"]) for of, event in weeks if of is topic]
        assert all(earlier < later for earlier, later in pairwise(places))


def test_no_two_arrivals_of_a_zone_share_a_moment(monkeypatch):
    """However crowded the city is: an event with the time and zone of the last one would be taken for sent."""
    monkeypatch.setattr(rides, "_RIDES_A_DAY", 2_000_000)
    arrivals = [event for topic, event in world(30_000, seed=1) if topic is ARRIVALS]
    assert len({(event["time"], event["pickup_zone"]) for event in arrivals}) == len(arrivals) > 5_000


def test_arrivals_come_first_at_a_moment(weeks):
    """Over both topics events rise by (time, request after arrival)."""
    places = [(event["time"], topic is REQUESTS) for topic, event in weeks]
    assert places == sorted(places)


def test_an_arrival_comes_after_its_minutes(done):
    """The event time of an arrival is that of its request and the minutes that it tells."""
    for request, arrival in done:
        late = arrival["time"] - request["time"] - dt.timedelta(minutes=arrival["minutes"])
        assert abs(late) < dt.timedelta(seconds=0.1)
        assert arrival["pickup_zone"] == request["pickup_zone"]


def test_some_are_cancelled(weeks, done):
    """Between 3 and 10 percent of the requests never arrive; no other takes longer than the horizon."""
    requests = sum(topic is REQUESTS for topic, _ in weeks)
    assert 0.03 < 1 - len(done) / requests < 0.10
    assert max(arrival["minutes"] for _, arrival in done) < Eta.horizon.total_seconds() / 60


def test_four_thousand_events_span_two_horizons():
    """By default 4,000 events last for twice the time that an answer is waited for, at least."""
    events = world(4_000)
    assert events[-1][1]["time"] - events[0][1]["time"] > 2 * Eta.horizon


def test_rush_hours(weeks, done):
    """At eight on working days there are more requests than at noon, and a kilometre takes longer than at night."""
    hours = [event["time"].hour for topic, event in weeks if topic is REQUESTS and event["time"].weekday() < 5]
    assert hours.count(8) > 1.4 * hours.count(12) > 2 * hours.count(3)
    working = [pair for pair in done if pair[0]["time"].weekday() < 5]
    by_hour = {hour: pace([p for p in working if p[0]["time"].hour == hour]) for hour in (8, 23)}
    assert by_hour[8] > 1.2 * by_hour[23]


def test_weather_comes_in_episodes(weeks):
    """The weather changes a few times a day, not from request to request."""
    weather = [event["weather"] for topic, event in weeks if topic is REQUESTS]
    changes = sum(one != other for one, other in pairwise(weather))
    assert 20 < changes < 100
    assert set(weather) == {"clear", "rain", "snow", "fog"}


def test_snow_slows_down(done):
    """In snow a kilometre takes at least a fifth longer than in clear weather."""
    by_weather = {what: pace([p for p in done if p[0]["weather"] == what]) for what in ("clear", "snow")}
    assert by_weather["snow"] > 1.2 * by_weather["clear"]


def test_good_ratings_are_a_little_faster(done):
    """Drivers rated above 4.6 take a few percent less time than those rated below 4.4."""
    good, poor = (pace([p for p in done if inside(p[0]["driver_rating"])]) for inside in ((4.6).__lt__, (4.4).__gt__))
    assert 1.02 * good < poor < 1.3 * good


def test_inputs_do_not_reveal_the_answer(done):
    """Rides alike in distance, hour, weather and vehicle still differ by a quarter of their time."""
    alike = [
        arrival["minutes"]
        for request, arrival in done
        if 4 < straight_km(request) < 4.5
        and request["weather"] == "clear"
        and request["vehicle"] == "car"
        and 10 <= request["time"].hour < 15
    ]
    assert len(alike) > 50
    middle = median(alike)
    assert fmean(abs(minutes - middle) for minutes in alike) > 0.1 * middle


def test_the_river_is_a_way_round(done):
    """From bank to bank more is driven for a straight kilometre than along one bank."""

    def crosses(request):
        east = 16.37 + 1.5 / 74.1
        return (request["pickup_lon"] < east) != (request["dropoff_lon"] < east)

    ways = {
        over: fmean(a["km"] / straight_km(r) for r, a in done if crosses(r) == over and 2 < straight_km(r) < 5)
        for over in (True, False)
    }
    assert ways[True] > 1.07 * ways[False]


def pace_from(events, zone: str, since: dt.datetime):
    """Minutes a km of the rides from a zone that have arrived since then."""
    arrivals = [event for topic, event in events if topic is ARRIVALS and event["time"] > since]
    return median(event["minutes"] / event["km"] for event in arrivals if event["pickup_zone"] == zone)


def test_drift_changes_the_traffic_from_its_day_on():
    """Until its day the city is the same; then the ring road speeds up rides from the airport, not from the centre."""
    steady, drifting = world(12_000, seed=2), world(12_000, seed=2, drift_day=3)
    turn = rides.START + dt.timedelta(days=3)
    asked = [event for topic, event in steady if topic is REQUESTS and event["time"] < turn]
    assert [event for topic, event in drifting if topic is REQUESTS and event["time"] < turn] == asked
    airport, centre = (
        pace_from(drifting, zone, turn) / pace_from(steady, zone, turn) for zone in ("airport", "centre")
    )
    assert airport < 0.92
    assert centre > 1.0


def test_it_ends_before_the_calendar(monkeypatch):
    """The city ends in order before dates do."""
    monkeypatch.setattr(rides, "START", dt.datetime(9998, 12, 31, 20, tzinfo=dt.UTC))
    events = list(rides.events())
    assert events[-1][1]["time"].year >= 9998
    assert sum(topic is REQUESTS for topic, _ in events) > 50
