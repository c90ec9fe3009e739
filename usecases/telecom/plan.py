"""Which plan would cost this customer least, at the use of the last thirty days?"""

from collections.abc import Iterator
from math import log1p
from typing import Annotated, Any

from pydantic import Field
from river import compose, forest, linear_model, metrics, multiclass, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.usecase import Event, Example, Features, UseCase, View, given, on
from usecases.telecom.catalog import CATALOG, MonthlyUse, cheapest, costs
from usecases.telecom.customer import Customer, categories
from usecases.telecom.events import USAGE, PlanName, Region
from usecases.telecom.regret import CostRegret


class PlanFeatures(TypedDict):
    """A month of use, and what the customer has today."""

    avg_data_gb: Annotated[float, Field(ge=0, description="mobile data a month, GB: 30 x the mean of the days seen")]
    avg_minutes: Annotated[float, Field(ge=0, description="minutes called a month: 30 x the mean of the days seen")]
    avg_sms: Annotated[float, Field(ge=0, description="text messages a month: 30 x the mean of the days seen")]
    region: Region
    current_plan: PlanName
    current_monthly_spend: Annotated[float, Field(ge=0, description="cost of the last 30 days on the current plan")]


_FIELDS = tuple(PlanFeatures.__annotations__)
_AMOUNTS = ("avg_data_gb", "avg_minutes", "avg_sms", "current_monthly_spend")


class Plan(UseCase):
    """Which plan would cost this customer least?

    The answer is known as soon as the use is: every usage event is an example.
    """

    topics = (USAGE,)
    profile = Customer
    request = PlanFeatures
    metric = metrics.MacroF1
    reported = (metrics.Accuracy, CostRegret)
    candidates = {  # declared once, read only
        "logistic": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | multiclass.OneVsRestClassifier(linear_model.LogisticRegression(optim.SGD(0.05)))
        ),
        "hoeffding": lambda: compose.FuncTransformer(numbers) | tree.HoeffdingTreeClassifier(grace_period=100),
        "forest": lambda: compose.FuncTransformer(numbers) | forest.ARFClassifier(n_models=5, seed=42),
    }

    @on(USAGE)
    def learn(self, event: Event, profile: Customer) -> Iterator[Example]:
        """Each day of use, with the plan that would have been the cheapest."""
        profile.update(event)
        x = self.features(event, profile.view())
        yield Example(key=event["customer_id"], x=x, y=cheapest(_use(x)))

    def features(self, event: Event, view: View) -> Features:
        """`PlanFeatures`: each one from the event or request that has it, else from the customer's view."""
        return given(_FIELDS, event, view)

    def rules(self, x: Features) -> str:
        """The catalog's own answer: the plan that costs least at this use."""
        return cheapest(_use(x))

    def explain(self, x: Features, prediction: str) -> dict[str, Any]:
        """The month's cost under each plan, what the predicted one saves against the current one, and why."""
        by_plan = {name: round(cost, 2) for name, cost in costs(_use(x)).items()}
        saving = round(by_plan[x["current_plan"]] - by_plan[prediction], 2)
        return {"costs": by_plan, "saving": saving, "reason": reason(_use(x), x["current_plan"], prediction)}


def reason(use: MonthlyUse, current: str, advised: str) -> str:
    """Why this plan, in one sentence for the customer.

    >>> reason(MonthlyUse(data_gb=25, minutes=310, sms=5), "standard", "premium")
    'With 25.0 GB a month you go beyond the 15 GB of standard: premium costs 55.00 a month instead of 65.00.'
    >>> reason(MonthlyUse(data_gb=2, minutes=100, sms=5), "premium", "basic")
    'You use less than premium gives you: basic costs 20.00 a month instead of 55.00.'
    """
    plan, best = CATALOG[current], cheapest(use)
    now, then = f"{plan.cost(use):.2f}", f"{CATALOG[advised].cost(use):.2f}"
    if advised == current and plan.cost(use) <= CATALOG[best].cost(use):
        return f"Your plan fits: at your use none costs less than the {now} a month of {current}."
    if advised == current:
        return f"{current} costs {now} a month at your use; {best} would cost {CATALOG[best].cost(use):.2f}."
    if CATALOG[advised].cost(use) >= plan.cost(use):
        return (
            f"Customers like you do best with {advised}, though at your use it costs {then} a month, {current} {now}."
        )
    return f"{_why(use, current)}: {advised} costs {then} a month instead of {now}."


def _why(use: MonthlyUse, current: str) -> str:
    """What makes another plan cheaper: the dearest use beyond the allowance, or an allowance that is not used."""
    plan = CATALOG[current]
    beyond = (
        ((use.data_gb - plan.data_gb) * plan.per_gb, f"{use.data_gb:.1f} GB", f"{plan.data_gb:g} GB"),
        ((use.minutes - plan.minutes) * plan.per_minute, f"{use.minutes:.0f} minutes", f"{plan.minutes:g}"),
        ((use.sms - plan.sms) * plan.per_sms, f"{use.sms:.0f} messages", f"{plan.sms:g}"),
    )
    money, used, allowed = max(beyond)
    if money > 0:
        return f"With {used} a month you go beyond the {allowed} of {current}"
    return f"You use less than {current} gives you"


def numbers(x: Features) -> Features:
    """What the models read. Amounts spread over powers of ten, so they learn from logarithms."""
    return {**{name: log1p(x[name]) for name in _AMOUNTS}, **categories(x)}


def _use(x: Features) -> MonthlyUse:
    return MonthlyUse(x["avg_data_gb"], x["avg_minutes"], x["avg_sms"])
