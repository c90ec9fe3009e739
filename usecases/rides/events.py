"""The ride topics: what is requested, and when the passenger is there."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from streaming.topics import Topic

Weather = Literal["clear", "rain", "snow", "fog"]
Vehicle = Literal["scooter", "car", "van"]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Rating = Annotated[float, Field(ge=1, le=5, description="the driver's rating by earlier passengers")]
RideId = Annotated[str, Field(min_length=1, max_length=64)]
ZoneName = Annotated[str, Field(min_length=1, max_length=64, description="the part of the city of the pick-up")]


class RequestEvent(TypedDict):
    """Somebody wants to go; the driver is found."""

    ride_id: RideId
    pickup_zone: ZoneName
    time: dt.datetime
    pickup_lat: Latitude
    pickup_lon: Longitude
    dropoff_lat: Latitude
    dropoff_lon: Longitude
    weather: Weather
    driver_rating: Rating
    vehicle: Vehicle


class ArrivalEvent(TypedDict):
    """The passenger is there."""

    ride_id: RideId
    pickup_zone: ZoneName
    time: dt.datetime
    minutes: Annotated[float, Field(gt=0, le=10_000, description="minutes from the request to the drop-off")]
    km: Annotated[float, Field(gt=0, le=10_000, description="kilometres driven, by the vehicle's meter")]


REQUESTS = Topic("rides.requests", RequestEvent, key="pickup_zone", time="time")
ARRIVALS = Topic("rides.arrivals", ArrivalEvent, key="pickup_zone", time="time")
