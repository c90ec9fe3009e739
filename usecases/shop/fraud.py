"""Is this payment somebody else's?"""

import datetime as dt
from collections.abc import Iterator
from datetime import timedelta
from math import cos, log1p, pi, sin
from typing import Annotated, Any, NotRequired, get_args

from pydantic import Field
from river import compose, forest, imblearn, linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.errors import BadRecord
from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on
from usecases.clock import DAY_S, hour_of_day
from usecases.ranking import PrecisionAtTop
from usecases.shop.events import CHARGEBACKS, TRANSACTIONS, Category, Channel, Currency
from usecases.shop.prior import Prior
from usecases.shop.shopper import SPANS, Shopper, history, knows, moved_km, seconds

_Count = Annotated[float, Field(ge=0)]


class FraudFeatures(TypedDict):
    """A payment and what it looks like beside the customer's others.

    With `customer_id`, what is left out is worked out: from the payment's `time`, `merchant_id`, `device_id`,
    `latitude` and `longitude`, and from what is known of the customer.
    """

    amount: Annotated[float, Field(gt=0, le=1e9, description="EUR")]
    category: Category
    channel: Channel
    currency: Currency
    account_age_days: Annotated[int, Field(ge=0, description="days since the account was opened")]
    hour: Annotated[float, Field(ge=0, lt=24, description="time of the day, hours UTC")]
    count_1h: Annotated[float, Field(ge=0, description="payments in the hour before")]
    count_24h: Annotated[float, Field(ge=0, description="payments in the 24 hours before")]
    count_30d: Annotated[float, Field(ge=0, description="payments in the thirty days before")]
    amount_1h: Annotated[float, Field(ge=0, le=1e12, description="EUR paid in the hour before")]
    amount_24h: Annotated[float, Field(ge=0, le=1e12, description="EUR paid in the 24 hours before")]
    amount_30d: Annotated[float, Field(ge=0, le=1e12, description="EUR paid in the thirty days before")]
    distance_km: Annotated[float, Field(ge=0, description="from the place of the last payment")]
    speed_kmh: Annotated[float, Field(ge=0, le=100_000, description="that distance over the time since")]
    new_merchant: Annotated[int, Field(ge=0, le=1, description="1: not among the last sixty merchants")]
    new_device: Annotated[int, Field(ge=0, le=1, description="1: not among the last eight devices")]
    time: NotRequired[dt.datetime]
    merchant_id: NotRequired[Annotated[str, Field(min_length=1, max_length=64)]]
    device_id: NotRequired[Annotated[str, Field(min_length=1, max_length=64)]]
    latitude: NotRequired[Annotated[float, Field(ge=-90, le=90)]]
    longitude: NotRequired[Annotated[float, Field(ge=-180, le=180)]]


_OWN = ("amount", "category", "channel", "currency", "account_age_days")
_HISTORY = tuple(f"{what}_{span}" for what in ("count", "amount") for span in SPANS)
_WANTED = ("time", "merchant_id", "device_id", "latitude", "longitude")
_WORKED_OUT = ("hour", *_HISTORY, "distance_km", "speed_kmh", "new_merchant", "new_device")
_FASTEST_KMH = 100_000.0
_LEAST_S = 60.0


class Fraud(UseCase):
    """Is this payment somebody else's? The owner says so days later, or is taken to agree after forty-five."""

    topics = (CHARGEBACKS, TRANSACTIONS)
    profile = Shopper
    request = FraudFeatures
    metric = metrics.F1
    reported = (
        lambda: metrics.ROCAUC(n_thresholds=101),  # type: ignore[no-untyped-call]
        PrecisionAtTop,
    )
    window = 50_000
    horizon = timedelta(days=45)
    unanswered = False
    candidates = {  # declared once, read only
        # A fraud that is missed counts as much as three honest payments that are stopped. It begins where one in
        # fifty payments is a fraud: a dispute comes within days, that there is none is known after forty-five.
        "logistic": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | linear_model.LogisticRegression(
                optim.SGD(0.02), loss=optim.losses.Log(weight_pos=3), intercept_init=-4, intercept_lr=0.005
            )
        ),
        # Fraud is one payment in a hundred: trees are shown a part of the honest ones, and begin like the logistic one.
        "hoeffding": lambda: (
            compose.FuncTransformer(numbers)
            | Prior(balanced(tree.HoeffdingAdaptiveTreeClassifier(grace_period=50, delta=1e-3, seed=42)))
        ),
        "forest": lambda: (
            compose.FuncTransformer(numbers)
            | Prior(balanced(forest.ARFClassifier(n_models=10, grace_period=25, delta=0.01, seed=42)))
        ),
    }

    @on(TRANSACTIONS)
    def ask(self, event: Event, profile: Shopper) -> Iterator[Question]:
        """Each payment, seen beside those before it."""
        x = self.features(event, profile.view())
        profile.update(event)
        yield Question(key=event["customer_id"], x=x, id=event["transaction_id"])

    @on(CHARGEBACKS)
    def answer(self, event: Event, _profile: Shopper) -> Iterator[Answer]:
        """The owner disputes it."""
        yield Answer(id=event["transaction_id"], y=True)

    def features(self, event: Event, view: View) -> Features:
        """`FraudFeatures`: each one from the event or request that has it, else worked out with the view."""
        x = given(_OWN, event)
        missing = [name for name in _WORKED_OUT if name not in event]
        found = _worked_out(event, view) if missing else {}
        return x | {name: event[name] if name in event else found[name] for name in _WORKED_OUT}

    def explain(self, x: Features, prediction: Any) -> dict[str, Any]:
        """What stands out, in words."""
        return {"reasons": reasons(x)} if prediction is not None else {}


def balanced(classifier: Any) -> imblearn.RandomSampler:
    """The classifier, taught with half of the payments, every fourth of them a fraud."""
    return imblearn.RandomSampler(classifier, desired_dist={False: 0.75, True: 0.25}, sampling_rate=0.5, seed=42)


def reasons(x: Features) -> list[str]:
    """What is unusual about a payment, the strongest first.

    >>> usual = {"amount": 20.0, "count_30d": 9.0, "amount_30d": 180.0}
    >>> reasons({"new_device": 1, "new_merchant": 0, "speed_kmh": 2400.0, **usual})
    ['2400 km/h since the last payment', 'a device that was not used before']
    """
    usual = x["amount_30d"] / x["count_30d"] if x["count_30d"] >= 1 else None
    found = (
        (x["speed_kmh"] > 900, f"{x['speed_kmh']:.0f} km/h since the last payment"),
        (bool(x["new_device"]), "a device that was not used before"),
        (usual is not None and x["amount"] > 4 * usual, f"{x['amount'] / (usual or 1):.0f} times the usual amount"),
        (bool(x["new_merchant"]), "a merchant that was not visited before"),
    )
    return [words for holds, words in found if holds]


def numbers(x: Features) -> Features:
    """What the models read: amounts as logarithms, the hour as a circle, each category as 0 or 1 in a fixed order."""
    usual = x["amount_30d"] / x["count_30d"] if x["count_30d"] >= 1 else x["amount"]
    angle = 2 * pi * x["hour"] / 24
    return {
        "amount": log1p(x["amount"]),
        "to_usual": log1p(x["amount"] / max(0.01, usual)),
        **{name: log1p(x[name]) for name in (*_HISTORY, "distance_km", "speed_kmh", "account_age_days")},
        "hour_sin": sin(angle),
        "hour_cos": cos(angle),
        "new_merchant": x["new_merchant"],
        "new_device": x["new_device"],
        **{f"category_{name}": float(x["category"] == name) for name in get_args(Category)},
        **{f"channel_{name}": float(x["channel"] == name) for name in get_args(Channel)},
        "foreign": float(x["currency"] != "EUR"),
    }


def _worked_out(event: Event, view: View) -> Features:
    """What the payment's time, place, merchant and device say beside the view."""
    missing = [name for name in _WANTED if name not in event]
    if missing:
        raise BadRecord(f"{missing[0]} is missing: without it {', '.join(_WORKED_OUT)} must be given")
    now = seconds(event)
    away = moved_km(view, event["latitude"], event["longitude"])
    since_s = max(_LEAST_S, now - float(view.get("last", now - DAY_S)))
    return {
        "hour": hour_of_day(now),
        **history(view, now),
        "distance_km": away,
        "speed_kmh": min(_FASTEST_KMH, away / since_s * 3_600),
        "new_merchant": int(not knows(view, "merchants", event["merchant_id"])),
        "new_device": int(not knows(view, "devices", event["device_id"])),
    }
