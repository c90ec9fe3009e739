"""Will this customer leave within thirty days?"""

from collections.abc import Iterator
from datetime import timedelta
from math import log1p
from typing import Annotated, Any, NotRequired

from pydantic import Field
from river import compose, forest, linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on
from usecases.ranking import LiftAtTop
from usecases.telecom.catalog import CATALOG, MonthlyUse
from usecases.telecom.customer import Customer, categories
from usecases.telecom.events import CHURN, USAGE, PlanName, Region
from usecases.telecom.reasons import reasons


class ChurnFeatures(TypedDict):
    """Use over a month and over a week, what it costs, and since when. Worked out when left out: overage and trend."""

    avg_data_gb: Annotated[float, Field(ge=0, description="mobile data a month, GB, by the last 30 days")]
    avg_minutes: Annotated[float, Field(ge=0, description="minutes called a month, by the last 30 days")]
    avg_sms: Annotated[float, Field(ge=0, description="text messages a month, by the last 30 days")]
    recent_data_gb: Annotated[float, Field(ge=0, description="mobile data a month, GB, by the last 7 days")]
    recent_minutes: Annotated[float, Field(ge=0, description="minutes called a month, by the last 7 days")]
    recent_sms: Annotated[float, Field(ge=0, description="text messages a month, by the last 7 days")]
    tenure_days: Annotated[float, Field(ge=0, description="days since the customer was first seen")]
    region: Region
    current_plan: PlanName
    current_monthly_spend: Annotated[float, Field(ge=0, description="cost of the last 30 days on the current plan")]
    overage: NotRequired[Annotated[float, Field(ge=0, description="money a month beyond the current plan's base")]]
    trend: NotRequired[Annotated[float, Field(ge=0, description="use of the last week to the month's; 1 is steady")]]


_FIELDS = tuple(name for name in ChurnFeatures.__annotations__ if name in ChurnFeatures.__required_keys__)
_AMOUNTS = ("avg_data_gb", "avg_minutes", "avg_sms", "tenure_days", "overage")
_USES = (("recent_data_gb", "avg_data_gb"), ("recent_minutes", "avg_minutes"), ("recent_sms", "avg_sms"))


class Churn(UseCase):
    """Will this customer leave within thirty days? Asked once a week for each customer."""

    topics = (CHURN, USAGE)
    profile = Customer
    request = ChurnFeatures
    metric = lambda: metrics.ROCAUC(n_thresholds=101)  # type: ignore[no-untyped-call]  # noqa: E731
    reported = (metrics.F1, metrics.LogLoss, LiftAtTop)
    horizon = timedelta(days=30)
    unanswered = False
    candidates = {  # declared once, read only
        "logistic": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | linear_model.LogisticRegression(optim.SGD(0.01))
        ),
        # Examples are few, one a week and customer: until a split is sure, the naive Bayes model of the leaf answers.
        "hoeffding": lambda: (
            compose.FuncTransformer(numbers) | tree.HoeffdingTreeClassifier(grace_period=200, leaf_prediction="nb")
        ),
        "forest": lambda: compose.FuncTransformer(numbers) | forest.ARFClassifier(n_models=10, seed=42),
    }

    @on(USAGE)
    def ask(self, event: Event, profile: Customer) -> Iterator[Question]:
        """A question when another week of the customer is over."""
        profile.update(event)
        if profile.week_is_over:
            yield Question(key=event["customer_id"], x=self.features(event, profile.view()))

    @on(CHURN)
    def answer(self, event: Event, _profile: Customer) -> Iterator[Answer]:
        """The customer has left: that answers every question still open."""
        yield Answer(key=event["customer_id"], y=True)

    def features(self, event: Event, view: View) -> Features:
        """`ChurnFeatures`: each one from the event or request that has it, else from the view, else worked out."""
        x = given(_FIELDS, event, view)
        x["overage"] = event["overage"] if "overage" in event else _overage(x)
        x["trend"] = event["trend"] if "trend" in event else _trend(x)
        return x

    def explain(self, x: Features, prediction: bool) -> dict[str, Any]:  # noqa: ARG002  # the same for both
        """What makes this customer likely to leave, the weightiest first; `usecases.telecom.reasons` says how."""
        return {"reasons": [reason.sentence for reason in reasons(x)]}


def numbers(x: Features) -> Features:
    """What the models read. Amounts spread over powers of ten, so they learn from logarithms."""
    return {
        **{name: log1p(x[name]) for name in _AMOUNTS},
        "overage_share": min(2.0, x["overage"] / CATALOG[x["current_plan"]].base),
        "trend": x["trend"],
        **categories(x),
    }


def _overage(x: Features) -> float:
    """Money a month beyond the base of the current plan, at the use of the last thirty days."""
    return CATALOG[x["current_plan"]].overage(MonthlyUse(x["avg_data_gb"], x["avg_minutes"], x["avg_sms"]))


def _trend(x: Features) -> float:
    """The mean ratio of the last week's use to the month's, over what is used at all."""
    ratios = [x[recent] / x[month] for recent, month in _USES if x[month]]
    return sum(ratios) / len(ratios) if ratios else 1.0
