"""Which plan would cost this customer least, at the use of the last thirty days?"""

from collections.abc import Iterator
from math import log1p
from typing import Annotated

from pydantic import Field
from river import compose, forest, linear_model, metrics, multiclass, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.usecase import Event, Example, Features, UseCase, View, on
from usecases.telecom.catalog import MonthlyUse, cheapest
from usecases.telecom.customer import Customer, categories, given
from usecases.telecom.events import USAGE, PlanName, Region


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
    """What a client may send for a prediction, and what the models are given."""
    metric = metrics.MacroF1
    reported = (metrics.Accuracy,)
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
        use = MonthlyUse(x["avg_data_gb"], x["avg_minutes"], x["avg_sms"])
        yield Example(key=event["customer_id"], x=x, y=cheapest(use))

    def features(self, event: Event, view: View) -> Features:
        """`PlanFeatures`: each one from the event or request that has it, else from the customer's view."""
        return given(_FIELDS, event, view)


def numbers(x: Features) -> Features:
    """What the models read. Amounts spread over powers of ten, so they learn from logarithms."""
    return {**{name: log1p(x[name]) for name in _AMOUNTS}, **categories(x)}
