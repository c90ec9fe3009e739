"""Heat meters, one learner for each partition of their topic."""

from typing import Annotated

from pydantic import Field
from river import linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Reading(TypedDict):
    """What a meter says in an hour."""

    meter: str
    hour: int
    cold: Annotated[float, Field(ge=0)]
    heat: float


class Conditions(TypedDict):
    """What is known before."""

    cold: Annotated[float, Field(ge=0)]
    last: float


class Meter:
    """The last reading of one meter."""

    def __init__(self):
        self.last = 0.0

    def view(self):
        return {"last": self.last}


READINGS = Topic("TOPIC.readings", Reading, key="meter", time="hour")


class Meters(UseCase):
    """How much heat is drawn in the next hour?"""

    name = "NAME"
    topics = [READINGS]
    sharded = True
    profile = Meter
    request = Conditions
    metric = metrics.MAE
    candidates = {
        "linear": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(),
        "tree": tree.HoeffdingTreeRegressor,
    }

    @on(READINGS)
    def learn(self, event, profile):
        """Every reading teaches."""
        x = self.features(event, profile.view())
        profile.last = event["heat"]
        yield Example(key=event["meter"], x=x, y=event["heat"])

    def features(self, event, view):
        """The cold outside and the last reading."""
        return {"cold": event["cold"], "last": event["last"] if "last" in event else view["last"]}
