"""Which kinds of interactions are there in a web shop?"""

import datetime as dt
from collections.abc import Iterator
from datetime import timedelta
from math import cos, log1p, pi, sin
from typing import Annotated, NotRequired, get_args

from pydantic import Field
from river import cluster, compose, metrics
from typing_extensions import TypedDict

from streaming.errors import BadRecord
from streaming.usecase import Event, Example, Features, UseCase, View, given, on
from usecases.clock import hour_of_day, whole_seconds
from usecases.web.events import INTERACTIONS, Action, Category, Device, Place
from usecases.web.recent import Recent


class InteractionFeatures(TypedDict):
    """A page and what was done there; the time of the day comes from `hour`, or from `time`."""

    category: Category
    price: Annotated[float, Field(ge=0, le=1e9, description="of one piece, EUR")]
    quantity: Annotated[int, Field(ge=1, le=1_000, description="pieces; 1 for a look")]
    event_type: Action
    page_seconds: Annotated[float, Field(ge=0, le=1e6, description="time spent on the page, seconds")]
    device: Device
    place: Place
    hour: NotRequired[Annotated[float, Field(ge=0, lt=24, description="time of the day, hours UTC")]]
    time: NotRequired[dt.datetime]


_OWN = ("category", "price", "quantity", "event_type", "page_seconds", "device", "place")
# What it says of the visitor's intent: from looking to paying; taking back is something else.
_INTENT = {"view": 0.0, "cart": 1.0, "purchase": 2.0, "return": 0.0}
_HALF = 0.5
"""Two that differ in one category are half as far apart as two that differ by a look and a cart."""


class Interactions(UseCase):
    """Which kinds of interactions are there? Ways to find clusters compete by how compact and far apart theirs are."""

    topics = (INTERACTIONS,)
    request = InteractionFeatures
    metric = metrics.Silhouette
    horizon = timedelta(days=1)
    candidates = {  # declared once, read only
        "dbstream": lambda: Recent(
            compose.FuncTransformer(numbers)
            | cluster.DBSTREAM(
                clustering_threshold=1.3,
                fading_factor=0.001,
                cleanup_interval=500,
                intersection_factor=0.3,
                minimum_weight=3,
            )
        ),
        "denstream": lambda: Recent(
            compose.FuncTransformer(numbers)
            | cluster.DenStream(decaying_factor=0.001, beta=0.5, mu=5, epsilon=0.9, n_samples_init=200)
        ),
        "kmeans": lambda: Recent(
            compose.FuncTransformer(numbers) | cluster.KMeans(n_clusters=12, halflife=0.05, mu=0.3, sigma=0.2, seed=42)
        ),
    }

    @on(INTERACTIONS)
    def learn(self, event: Event, _profile: None) -> Iterator[Example]:
        """Each interaction, with nobody to say which kind it is."""
        yield Example(key=event["session_id"], x=self.features(event, {}))

    def features(self, event: Event, view: View) -> Features:  # noqa: ARG002  # nothing is known of a visitor
        """`InteractionFeatures` with the hour, from the event or request alone."""
        x = given(_OWN, event)
        if "hour" not in event and "time" not in event:
            raise BadRecord("hour is missing, and so is time")
        return {**x, "hour": event["hour"] if "hour" in event else hour_of_day(whole_seconds(event["time"]))}


def numbers(x: Features) -> Features:
    """What the clusterers read: amounts as logarithms, categories as 0 or a half, the hour as a small circle."""
    angle = 2 * pi * x["hour"] / 24
    return {
        "price": log1p(x["price"]) / 2,
        "quantity": log1p(x["quantity"] - 1),
        "page_seconds": log1p(x["page_seconds"]) / 2,
        "intent": _INTENT[x["event_type"]],
        "returned": 2.0 * (x["event_type"] == "return"),
        "hour_sin": sin(angle) / 4,
        "hour_cos": cos(angle) / 4,
        **{f"category_{name}": _HALF * (x["category"] == name) for name in get_args(Category)},
        **{f"device_{name}": _HALF * (x["device"] == name) for name in get_args(Device)},
        **{f"place_{name}": _HALF * (x["place"] == name) for name in get_args(Place)},
    }
