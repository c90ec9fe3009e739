"""When will the passenger be there?"""

import datetime as dt
from collections.abc import Iterator
from datetime import timedelta
from math import asin, cos, log, log1p, pi, radians, sin, sqrt
from typing import Annotated, Any, NotRequired, get_args

from pydantic import Field
from river import compose, forest, linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.errors import BadRecord
from streaming.usecase import Answer, Event, Features, Question, UseCase, View, on
from usecases.intervals import Coverage, RelativeJackknife
from usecases.logarithms import InLogarithms
from usecases.rides.events import ARRIVALS, REQUESTS, Latitude, Longitude, Rating, Vehicle, Weather
from usecases.rides.zone import Zone
from usecases.shares import Within

_EARTH_KM = 6_371.0
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
            _scaled() | InLogarithms(linear_model.LinearRegression(optim.Adam(0.003), intercept_lr=0.03))
        ),
        # Each leaf has a linear model of its own, which a split hands down.
        "hoeffding": lambda: with_interval(
            _scaled()
            | InLogarithms(
                tree.HoeffdingTreeRegressor(
                    grace_period=200,
                    leaf_prediction="model",
                    leaf_model=linear_model.LinearRegression(optim.SGD(0.003), intercept_lr=0.03),
                )
            )
        ),
        "forest": lambda: with_interval(
            compose.FuncTransformer(few)
            | InLogarithms(
                forest.ARFRegressor(
                    n_models=5, max_features=0.7, lambda_value=3, grace_period=50, leaf_prediction="mean", seed=42
                )
            )
        ),
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
        try:
            x = {name: event[name] for name in _OWN}
            hour, weekday = (event["hour"], event["weekday"]) if "hour" in event else _clock(event["time"])
            zone = {name: event[name] if name in event else view[name] for name in _ZONE}
        except KeyError as missing:
            raise BadRecord(f"{missing.args[0]} is missing") from None
        return {**x, "hour": hour, "weekday": weekday, **zone}


def with_interval(regressor: Any) -> RelativeJackknife:
    """The regressor with an interval that nine answers in ten are expected in, by its last 2,000 errors."""
    return RelativeJackknife(regressor, confidence_level=0.9, window_size=2_000)


def _scaled() -> Any:
    """Measures of like size, and flags."""
    return (compose.FuncTransformer(measures) | preprocessing.StandardScaler()) + compose.FuncTransformer(flags)


def measures(x: Features) -> Features:
    """Distance in km, the places, the zone's pace and the clock as circles: what a scaler may move and stretch."""
    lat, lon, to_lat, to_lon = x["pickup_lat"], x["pickup_lon"], x["dropoff_lat"], x["dropoff_lon"]
    km, day, week = haversine_km(lat, lon, to_lat, to_lon), 2 * pi * x["hour"] / 24, x["weekday"] + x["hour"] / 24
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


def haversine_km(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Kilometres between two places on a sphere (Sinnott, Virtues of the Haversine, 1984).

    >>> round(haversine_km(48.2, 16.37, 48.2, 16.5), 2)
    9.63
    """
    north, east = radians(to_lat - lat) / 2, radians(to_lon - lon) / 2
    a = sin(north) ** 2 + cos(radians(lat)) * cos(radians(to_lat)) * sin(east) ** 2
    return 2 * _EARTH_KM * asin(min(1.0, sqrt(a)))


def _clock(time: dt.datetime) -> tuple[float, int]:
    """Hour of the day and day of the week, UTC (as which a time without zone is read)."""
    utc = time.astimezone(dt.UTC) if time.tzinfo else time
    return utc.hour + utc.minute / 60 + utc.second / 3_600, utc.weekday()
