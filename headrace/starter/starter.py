"""How many minutes will this delivery take? A use case in one file: change it into yours, from top to bottom."""

import datetime as dt
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from river import forest, linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Event, Example, Features, UseCase, View, given, on


class Delivery(TypedDict):
    """One event: a line of a file, a record of the Kafka topic. What does not fit becomes a dead letter."""

    shop: Annotated[str, Field(min_length=1, max_length=64)]
    time: dt.datetime
    distance_km: Annotated[float, Field(ge=0)]
    items: Annotated[int, Field(ge=1)]
    minutes: Annotated[float, Field(ge=0, description="what is to be predicted")]


class Conditions(TypedDict):
    """A request: what is known when a prediction is wanted. Whatever is in no request is looked up by `shop`."""

    distance_km: Annotated[float, Field(ge=0, description="from the shop to the door")]
    items: Annotated[int, Field(ge=1, description="things in the basket")]
    usual_minutes: Annotated[float, Field(ge=0, description="what the shop's deliveries have taken lately")]


EVENTS = Topic("starter.events", Delivery, key="shop", time="time")


class Shop:
    """The profile: what is remembered of one key, a part of the checkpoint."""

    def __init__(self) -> None:
        """Begin with a guess."""
        self.usual_minutes = 30.0

    def view(self) -> dict[str, float | str]:
        """What features may read of it."""
        return {"usual_minutes": self.usual_minutes}


class Starter(UseCase):
    """How many minutes will this delivery take?"""

    name = "starter"
    topics = (EVENTS,)
    profile = Shop
    request = Conditions
    metric = metrics.MAE
    reported = (metrics.RMSE,)
    candidates = {  # each a function that makes a River model; all learn every event, the best one answers
        "linear": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(intercept_lr=0.1),
        "tree": lambda: preprocessing.StandardScaler() | tree.HoeffdingTreeRegressor(grace_period=50),
        "forest": lambda: preprocessing.StandardScaler() | forest.ARFRegressor(n_models=5, seed=42),
    }

    @on(EVENTS)
    def learn(self, event: Event, profile: Shop) -> Iterator[Example]:
        """Question and answer at once: every model predicts from x, is scored by y, then learns.

        Where the answer comes later, yield a `Question` here and an `Answer` in the handler of another topic.
        """
        yield Example(key=event["shop"], x=self.features(event, profile.view()), y=event["minutes"])
        profile.usual_minutes += 0.1 * (event["minutes"] - profile.usual_minutes)

    def features(self, event: Event, view: View) -> Features:
        """The inputs of the models, from an event or a request and from the view: the same ones everywhere."""
        return given(Conditions.__annotations__, event, view)
