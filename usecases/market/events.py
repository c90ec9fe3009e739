"""The market topic: one value of a symbol's series, such as a price, a flow or a count."""

import datetime as dt
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from streaming.topics import Topic

# Beyond it the square of an error leaves no room for those of others.
MOST = 1e12


class PriceEvent(TypedDict):
    """What a symbol is worth at a moment."""

    symbol: Annotated[str, Field(min_length=1, max_length=64)]
    time: dt.datetime
    value: Annotated[float, Field(ge=-MOST, le=MOST, description="the price, or whatever the series counts")]


# Series with one value a year are welcome too.
PRICES = Topic("market.prices", PriceEvent, key="symbol", time="time", max_jump=timedelta(days=400))
