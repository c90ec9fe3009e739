"""When will the passenger be there?"""

import datetime as dt
from collections.abc import Iterator
from datetime import timedelta
from math import cos, log, log1p, pi, sin
from typing import Annotated, NotRequired, get_args

from pydantic import Field
from river import compose, linear_model, metrics, optim
from typing_extensions import TypedDict

from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on
from usecases.clock import hour_of_day, weekday, whole_seconds
from usecases.great_circle import distance_km
from usecases.intervals import Coverage, with_interval
from usecases.logarithms import InLogarithms
from usecases.regressors import forest_of_means, scaled, tree_of_lines
from usecases.rides.events import ARRIVALS, REQUESTS, Latitude, Longitude, Rating, Vehicle, Weather
from usecases.rides.zone import Zone
from usecases.shares import Within

_WEATHERS: tuple[str, ...] = get_args(Weather)
_VEHICLES: tuple[str, ...] = get_args(Vehicle)


class EtaFeatures(TypedDict):
    """A request, and how fast the rides from its zone have been. `time` stands for `hour` and `weekday`."""

    pickup_lat: Latitude
    pickup_lon: Longitude
    dropoff_lat: Latitude
    dropoff_lon: Longitude
    weather: Weather
    driver_rating: Rating
    vehicle: Vehicle
    hour: Annotated[float, Field(ge=0, lt=24, description="hour of the day of the request, UTC, with its fraction")]
    weekday: Annotated[int, Field(ge=0, le=6, description="0 is Monday")]
    zone_pace: Annotated[float, Field(gt=0, description="minutes a km of the zone's last 200 rides or so")]
    zone_pace_now: Annotated[float, Field(gt=0, description="minutes a km of the zone's last 10 rides or so")]
    time: NotRequired[Annotated[dt.datetime, Field(description="of the request: gives hour and weekday")]]


_OWN = ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon", "weather", "driver_rating", "vehicle")
_ZONE = ("zone_pace", "zone_pace_now")
_FEW = (
    "km",
    "km_pace",
    "log_pace_now",
    "pickup_lat",
    "pickup_lon",
    "dropoff_lat",
    "dropoff_lon",
    "hour",
    "driver_rating",
)


class Eta(UseCase):
    """In how many minutes will the passenger be there? Asked at each request, for the time until the drop-off."""

    topics = (ARRIVALS, REQUESTS)
    profile = Zone
    request = EtaFeatures
    metric = metrics.MAE
    reported = (metrics.MAPE, lambda: Within(2.0, unit="min"), Coverage)
    horizon = timedelta(hours=6)
    candidates = {  # declared once, read only
        "linear": lambda: with_interval(
            scaled(measures, flags) | InLogarithms(linear_model.LinearRegression(optim.Adam(0.003), intercept_lr=0.03))
        ),
        "hoeffding": lambda: with_interval(scaled(measures, flags) | InLogarithms(tree_of_lines(0.003))),
        "forest": lambda: with_interval(compose.FuncTransformer(few) | InLogarithms(forest_of_means())),
    }

    @on(ARRIVALS)
    def answer(self, event: Event, profile: Zone) -> Iterator[Answer]:
        """The passenger is there: that answers the request, and tells how fast the zone is."""
        profile.update(event)
        yield Answer(id=event["ride_id"], y=event["minutes"])

    @on(REQUESTS)
    def ask(self, event: Event, profile: Zone) -> Iterator[Question]:
        """A question for each request; one that is cancelled is never answered."""
        yield Question(key=event["pickup_zone"], x=self.features(event, profile.view()), id=event["ride_id"])

    def features(self, event: Event, view: View) -> Features:
        """`EtaFeatures`: the request's own fields from the event, the zone's from the event or else from the view."""
        x = given(_OWN, event)
        if "hour" in event:
            clock = given(("hour", "weekday"), event)
        else:
            at = whole_seconds(given(("time",), event)["time"])
            clock = {"hour": hour_of_day(at), "weekday": weekday(at)}
        return {**x, **clock, **given(_ZONE, event, view)}


def measures(x: Features) -> Features:
    """Distance in km, the places, the zone's pace and the clock as circles: what a scaler may move and stretch."""
    lat, lon, to_lat, to_lon = x["pickup_lat"], x["pickup_lon"], x["dropoff_lat"], x["dropoff_lon"]
    km, day, week = distance_km(lat, lon, to_lat, to_lon), 2 * pi * x["hour"] / 24, x["weekday"] + x["hour"] / 24
    return {
        "km": km,
        "log_km": log1p(km),
        "km_pace": km * x["zone_pace"],
        "log_pace": log(x["zone_pace"]),
        "log_pace_now": log(x["zone_pace_now"]),
        "pickup_lat": lat,
        "pickup_lon": lon,
        "dropoff_lat": to_lat,
        "dropoff_lon": to_lon,
        "hour": x["hour"],
        "day_sin": sin(day),
        "day_cos": cos(day),
        "half_day_sin": sin(2 * day),
        "half_day_cos": cos(2 * day),
        "week_sin": sin(2 * pi * week / 7),
        "week_cos": cos(2 * pi * week / 7),
        "driver_rating": x["driver_rating"],
    }


def flags(x: Features) -> Features:
    """Weekend, weather and vehicle, each as 0 or 1 in one fixed order.

    They are not scaled: the first snow after a dry week would be worth a hundred standard deviations.
    """
    return {
        "weekend": float(x["weekday"] >= 5),
        **{name: float(name == x["weather"]) for name in _WEATHERS},
        **{name: float(name == x["vehicle"]) for name in _VEHICLES},
    }


def few(x: Features) -> Features:
    """What a tree can split by: without the logarithms and circles that say the same again."""
    all_of = measures(x)
    return {name: all_of[name] for name in _FEW} | flags(x)
