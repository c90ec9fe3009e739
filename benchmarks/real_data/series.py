"""Series for `forecast`: airline passengers, water through a pipe, ten stocks (all three from River)."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from river import datasets

from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Event
from usecases.market.events import PRICES
from usecases.market.forecast import Forecast


def passengers() -> Iterator[tuple[Topic, Event]]:
    """Thousands of passengers a month, 1949 to 1960."""
    for x, y in datasets.AirlinePassengers():  # type: ignore[no-untyped-call]
        yield PRICES, {"symbol": "passengers", "time": x["month"], "value": float(y)}


def water() -> Iterator[tuple[Topic, Event]]:
    """Litres a second, by the hour, two months of 2022."""
    for x, y in datasets.WaterFlow():  # type: ignore[no-untyped-call]
        yield PRICES, {"symbol": "water", "time": x["Time"], "value": float(y)}


def stocks() -> Iterator[tuple[Topic, Event]]:
    """Ten prices a day that begin at 100 and follow the daily returns, which are given in percent."""
    prices: dict[str, float] = {}
    for day, (returns, _) in enumerate(datasets.SP500Stocks()):  # type: ignore[no-untyped-call]
        time = dt.datetime(2013, 2, 8, tzinfo=dt.UTC) + dt.timedelta(days=day)
        for symbol in sorted(returns):
            prices[symbol] = prices.get(symbol, 100.0) * (1 + returns[symbol] / 100)
            yield PRICES, {"symbol": symbol, "time": time, "value": round(prices[symbol], 4)}


def _series(name: str, events: Any, limits: str) -> RealData:
    return RealData(
        name=name,
        use_case=Forecast(),
        stands_for="forecast",
        events=events,
        limits=limits,
    )


ALL = [
    _series(
        "airline",
        passengers,
        "144 months: most of it is over before a model that begins with nothing has learned the year, and ten lags do "
        "not reach back to the same month of the year before.",
    ),
    _series("water", water, "One pipe, 1,268 hours, four disturbances by leaks and repairs."),
    _series(
        "stocks",
        stocks,
        "Prices are made of the returns in the data; trading days count as days. That the last price is hard to beat "
        "is what one should expect of stocks.",
    ),
]
