"""What the clock says, UTC: from seconds since 1970."""

import datetime as dt

from streaming.codec import to_us

DAY_S = 86_400


def whole_seconds(moment: dt.datetime) -> int:
    """Since 1970; a moment without a zone is UTC."""
    return to_us(moment) // 1_000_000


def hour_of_day(seconds: float) -> float:
    """Hours since midnight, with their fraction.

    >>> hour_of_day(whole_seconds(dt.datetime(2026, 1, 10, 17, 30)))
    17.5
    """
    return seconds % DAY_S / 3_600


def weekday(seconds: int) -> int:
    """0 is Monday; 1970 began on a Thursday.

    >>> weekday(whole_seconds(dt.datetime(2026, 1, 12)))
    0
    """
    return (seconds // DAY_S + 3) % 7
