"""The rule of buying and selling: how far is the market price from the fair price?"""

from dataclasses import dataclass
from typing import Literal

Signal = Literal["BUY", "SELL", "HOLD"]
_DIGITS = 9  # 0.9 for 1.0 is 10 % under, though 0.9 - 1.0 is -0.09999999999999998


@dataclass(frozen=True)
class Thresholds:
    """Shares of the fair price, both reached by equality."""

    buy_below: float = 0.10
    """Buy when the market price is at least so far under the fair price,"""
    sell_above: float = 0.15
    """sell when it is at least so far over it."""


def deviation(market_price: float, fair_price: float) -> float:
    """How far the market price is over the fair price, as a share of it; under it: negative. The fair price is > 0.

    >>> deviation(90, 100), deviation(0.9, 1.0), deviation(115, 100)
    (-0.1, -0.1, 0.15)
    """
    return round((market_price - fair_price) / fair_price, _DIGITS)


def signal(
    market_price: float, fair_price: float, thresholds: Thresholds, interval: tuple[float, float] | None = None
) -> Signal:
    """BUY, SELL or HOLD. With an interval of the fair price its near end must pass the threshold too.

    >>> signal(90, 100, Thresholds()), signal(115, 100, Thresholds()), signal(114.9, 100, Thresholds())
    ('BUY', 'SELL', 'HOLD')
    >>> signal(90, 120, Thresholds(), (100, 140)), signal(91, 120, Thresholds(), (100, 140))
    ('BUY', 'HOLD')
    """
    low, high = interval or (fair_price, fair_price)
    if all(price > 0 and deviation(market_price, price) <= -thresholds.buy_below for price in (fair_price, low)):
        return "BUY"
    if all(price > 0 and deviation(market_price, price) >= thresholds.sell_above for price in (fair_price, high)):
        return "SELL"
    return "HOLD"
