"""What is this card worth?"""

from collections.abc import Iterator
from datetime import timedelta
from math import log, log1p
from typing import TYPE_CHECKING, get_args

from river import compose, linear_model, metrics, optim
from typing_extensions import TypedDict

from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on
from usecases.cards.events import (
    LISTINGS,
    SALES,
    CardSet,
    Condition,
    DaysListed,
    Grade,
    Price,
    Rarity,
    Seller,
    SellerRating,
)
from usecases.cards.signal import Thresholds
from usecases.intervals import Coverage, with_interval
from usecases.logarithms import InLogarithms
from usecases.regressors import forest_of_means, scaled, tree_of_lines
from usecases.shares import WithinPercent

if TYPE_CHECKING:
    from streaming.settings import Settings

_SETS: tuple[str, ...] = get_args(CardSet)
_RARITIES: tuple[str, ...] = get_args(Rarity)
_CONDITIONS: tuple[str, ...] = get_args(Condition)
_SELLERS: tuple[str, ...] = get_args(Seller)


class FairPriceFeatures(TypedDict):
    """A listing: what the card is, who sells it, what is asked for it."""

    set: CardSet
    rarity: Rarity
    condition: Condition
    grade: Grade
    seller: Seller
    seller_rating: SellerRating
    market_price: Price
    days_listed: DaysListed


_FIELDS = tuple(FairPriceFeatures.__annotations__)


class FairPrice(UseCase):
    """What is this card worth? Asked for each listing, about the price that a buyer will pay.

    A listing that is not sold within two weeks has no answer.
    """

    topics = (SALES, LISTINGS)
    request = FairPriceFeatures
    metric = metrics.MAE
    reported = (metrics.MAPE, lambda: WithinPercent(10), Coverage)
    horizon = timedelta(days=14)
    thresholds = Thresholds()
    candidates = {  # declared once, read only
        "linear": lambda: with_interval(
            scaled(measures, flags) | InLogarithms(linear_model.LinearRegression(optim.SGD(0.01), intercept_lr=0.03))
        ),
        # Nearly as good as least squares over everything; and as slow to forget.
        "bayesian": lambda: with_interval(
            scaled(measures, flags) | InLogarithms(linear_model.BayesianLinearRegression())
        ),
        "hoeffding": lambda: with_interval(scaled(measures, flags) | InLogarithms(tree_of_lines(0.01))),
        "forest": lambda: with_interval(compose.FuncTransformer(numbers) | InLogarithms(forest_of_means())),
    }

    @classmethod
    def configured(cls, settings: "Settings") -> UseCase:
        """With the thresholds of HEADRACE_FAIR_PRICE__BUY_BELOW and __SELL_ABOVE."""
        made = cls()
        made.thresholds = Thresholds(settings.fair_price.buy_below, settings.fair_price.sell_above)
        return made

    @on(SALES)
    def answer(self, event: Event, _profile: None) -> Iterator[Answer]:
        """The card was sold: that answers its listing."""
        yield Answer(id=event["listing_id"], y=event["price"])

    @on(LISTINGS)
    def ask(self, event: Event, _profile: None) -> Iterator[Question]:
        """A question for each listing."""
        yield Question(key=event["listing_id"], x=self.features(event, {}), id=event["listing_id"])

    def features(self, event: Event, view: View) -> Features:  # noqa: ARG002  # nothing is known of a listing before it
        """`FairPriceFeatures`."""
        return given(_FIELDS, event)


def measures(x: Features) -> Features:
    """Prices as logarithms, rarity and condition as their ranks: what a scaler may move and stretch."""
    rarity, condition = _RARITIES.index(x["rarity"]), _CONDITIONS.index(x["condition"])
    return {
        "log_market": log(x["market_price"]),
        "log_days": log1p(x["days_listed"]),
        "seller_rating": x["seller_rating"],
        "rarity": rarity,
        "condition": condition,
        "wear": rarity * (len(_CONDITIONS) - 1 - condition),
    }


def flags(x: Features) -> Features:
    """Set, rarity, condition, grade and seller, each as 0 or 1 in one fixed order."""
    return {
        **{f"set_{name}": float(name == x["set"]) for name in _SETS},
        **{f"rarity_{name}": float(name == x["rarity"]) for name in _RARITIES},
        **{f"condition_{name}": float(name == x["condition"]) for name in _CONDITIONS},
        **{f"grade_{grade}": float(grade == x["grade"]) for grade in (0, 8, 9, 10)},
        **{f"seller_{name}": float(name == x["seller"]) for name in _SELLERS},
    }


def numbers(x: Features) -> Features:
    """What a tree can split by: ranks instead of flags, where there is an order."""
    return {
        **measures(x),
        "grade": x["grade"],
        **{f"set_{name}": float(name == x["set"]) for name in _SETS},
        **{f"seller_{name}": float(name == x["seller"]) for name in _SELLERS},
    }
