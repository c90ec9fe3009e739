"""Made-up deliveries for a new use case, so that it can be run before there is any data of one's own."""

import datetime as dt
from collections.abc import Iterator
from random import Random

COLUMNS = ("shop", "time", "distance_km", "items", "minutes")
_SHOPS = {"harbour": 9.0, "market": 14.0, "station": 21.0}
"""Minutes until a shop has packed."""


def lines(count: int = 600) -> Iterator[str]:
    """A CSV file, line by line: a delivery each twenty minutes, the same ones each time."""
    rng, time = Random(7), dt.datetime(2026, 1, 1, 8, tzinfo=dt.UTC)
    yield ",".join(COLUMNS)
    for _ in range(count):
        shop, distance, items = rng.choice(list(_SHOPS)), round(rng.uniform(0.3, 9), 1), rng.randint(1, 8)
        minutes = _SHOPS[shop] + 3.2 * distance + 0.8 * items + rng.gauss(0, 3)
        yield f"{shop},{time:%Y-%m-%dT%H:%M:%SZ},{distance},{items},{max(1, round(minutes, 1))}"
        time += dt.timedelta(minutes=20)
