"""How long will this parcel take? A use case whose state remembers which events it has heard, in which order."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from river import linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Answer, Event, Features, Question, UseCase, View, on

WORLD = "everywhere"
TOO_FAR_KM = 19_000


class Sent(TypedDict):
    """A parcel was handed in. `world` is always the same: one profile hears all."""

    world: str
    number: Annotated[int, Field(ge=0)]
    at: Annotated[float, Field(ge=0)]
    km: Annotated[float, Field(ge=0)]
    express: bool


class Arrived(TypedDict):
    """A parcel has arrived."""

    world: str
    number: Annotated[int, Field(ge=0)]
    at: Annotated[float, Field(ge=0)]
    parcel: int
    hours: Annotated[float, Field(ge=0)]


class Wanted(TypedDict):
    """What is asked."""

    km: Annotated[float, Field(ge=0, le=20_000)]
    express: bool


class Diary:
    """The numbers of all events in the order of their handling: what a crash takes back is taken back here, too."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def copy(self) -> "Diary":
        """Itself: an event that its handler refuses has been heard, too."""
        return self

    def view(self) -> dict[str, float | str]:
        """How many."""
        return {"heard": float(len(self.heard))}


class Steady(linear_model.LinearRegression):
    """Takes its time for each lesson, and leaves the processor to others."""

    def learn_one(self, x: Any, y: Any, w: float = 1.0) -> None:
        time.sleep(0.0005)
        super().learn_one(x, y, w)


SENT = Topic("parcels.sent", Sent, key="world", time="at")
ARRIVED = Topic("parcels.arrived", Arrived, key="world", time="at")


class Parcels(UseCase):
    """How many hours will it take? Without an answer it counts as two days."""

    topics = (ARRIVED, SENT)
    profile = Diary
    request = Wanted
    metric = metrics.MAE
    reported = (metrics.RMSE,)
    horizon = timedelta(seconds=20)
    unanswered = 48.0
    candidates = {  # declared once, read only
        "linear": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(optim.SGD(0.01)),
        "tree": lambda: tree.HoeffdingTreeRegressor(grace_period=100),
        "steady": lambda: preprocessing.StandardScaler() | Steady(optim.SGD(0.02)),
    }

    @on(SENT)
    def ask(self, event: Event, profile: Diary) -> Iterator[Question]:
        """Each parcel is a question, but for those that go around the world."""
        profile.heard.append(event["number"])
        if event["km"] > TOO_FAR_KM:
            raise ValueError(f"{event['km']} km is too far")
        x = self.features(event, {})
        yield Question(key=str(event["number"]), x=x, id=str(event["number"]))

    @on(ARRIVED)
    def answer(self, event: Event, profile: Diary) -> Iterator[Answer]:
        """By the parcel's number."""
        profile.heard.append(event["number"])
        yield Answer(id=str(event["parcel"]), y=event["hours"])

    def features(self, event: Event, view: View) -> Features:
        """Distance and class."""
        return {"km": event["km"] / 1_000, "express": float(event["express"])}
