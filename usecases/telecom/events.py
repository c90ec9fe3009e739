"""The telecom topics: daily use of each customer, and the day a customer leaves."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from streaming.topics import Topic

PlanName = Literal["basic", "standard", "premium"]
Region = Literal["north", "south", "east", "west", "capital"]


class UsageEvent(TypedDict):
    """One customer's use of one day."""

    customer_id: Annotated[str, Field(min_length=1, max_length=64)]
    date: dt.date
    data_gb: Annotated[float, Field(ge=0, le=100_000, description="mobile data used that day, GB")]
    minutes: Annotated[float, Field(ge=0, le=100_000, description="minutes called that day")]
    sms: Annotated[int, Field(ge=0, description="text messages sent that day")]
    region: Region
    current_plan: PlanName
    current_monthly_spend: Annotated[
        float, Field(ge=0, le=1e9, description="cost of the last 30 days on the current plan")
    ]


class ChurnEvent(TypedDict):
    """A customer has left; there is no use from that day on."""

    customer_id: Annotated[str, Field(min_length=1, max_length=64)]
    date: dt.date


USAGE = Topic("telecom.usage", UsageEvent, key="customer_id", time="date")
CHURN = Topic("telecom.churn", ChurnEvent, key="customer_id", time="date")
