"""The shop topics: payments by card, and those that turned out to be somebody else's."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from streaming.topics import Topic

Category = Literal["grocery", "fuel", "restaurant", "clothing", "electronics", "travel", "gift_cards", "games"]
Channel = Literal["store", "online", "cash_machine"]
Currency = Literal["EUR", "USD", "GBP"]

_Id = Annotated[str, Field(min_length=1, max_length=64)]


class Transaction(TypedDict):
    """One payment."""

    transaction_id: _Id
    time: dt.datetime
    customer_id: _Id
    merchant_id: _Id
    category: Category
    amount: Annotated[float, Field(gt=0, le=1e9, description="EUR, whatever the currency paid in")]
    currency: Currency
    channel: Channel
    device_id: Annotated[str, Field(min_length=1, max_length=64, description="the card reader's card, or the device")]
    latitude: Annotated[float, Field(ge=-90, le=90, description="of the merchant or, online, of the address")]
    longitude: Annotated[float, Field(ge=-180, le=180, description="of the merchant or, online, of the address")]
    account_age_days: Annotated[int, Field(ge=0, le=100_000, description="days since the account was opened")]


class Chargeback(TypedDict):
    """The owner says: this payment was not mine."""

    transaction_id: _Id
    time: dt.datetime
    customer_id: _Id


TRANSACTIONS = Topic("shop.transactions", Transaction, key="customer_id", time="time")
CHARGEBACKS = Topic("shop.chargebacks", Chargeback, key="customer_id", time="time")
