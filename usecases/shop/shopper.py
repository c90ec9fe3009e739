"""What is known of a customer's payments: the profile that the shop's use cases read."""

from collections import deque
from copy import copy

import orjson

from streaming.codec import to_us
from streaming.usecase import Event, View
from usecases.great_circle import distance_km

SPANS = {"1h": 3_600.0, "24h": 86_400.0, "30d": 30 * 86_400.0}
"""Seconds before a payment."""
_MERCHANTS, _DEVICES = 60, 8
_PAYMENTS = 1_000
"""So many at most are remembered of thirty days."""


class Shopper:
    """The payments of thirty days, the last place, the merchants and devices lately used."""

    __slots__ = ("devices", "last", "latitude", "longitude", "merchants", "payments")

    def __init__(self) -> None:
        """Begin without a payment."""
        self.last = 0.0
        self.latitude = self.longitude = 0.0
        self.payments: deque[tuple[float, float]] = deque(maxlen=_PAYMENTS)
        """Moment (seconds since 1970, UTC) and amount, in the order in which they were heard."""
        self.merchants: dict[str, None] = {}
        self.devices: dict[str, None] = {}

    def update(self, event: Event) -> None:
        """Take in a payment; one that comes late counts as if made now."""
        now = self.last = max(self.last, seconds(event))
        self.payments.append((now, event["amount"]))
        while self.payments[0][0] <= now - SPANS["30d"]:
            self.payments.popleft()
        self.latitude, self.longitude = event["latitude"], event["longitude"]
        _touch(self.merchants, event["merchant_id"], _MERCHANTS)
        _touch(self.devices, event["device_id"], _DEVICES)

    def view(self) -> dict[str, float | str]:
        """All of it as numbers and texts: lists are JSON."""
        if not self.payments:
            return {}
        return {
            "last": self.last,
            "last_latitude": self.latitude,
            "last_longitude": self.longitude,
            "payments": orjson.dumps(list(self.payments)).decode(),
            "merchants": orjson.dumps(list(self.merchants)).decode(),
            "devices": orjson.dumps(list(self.devices)).decode(),
        }

    def copy(self) -> "Shopper":
        """A shopper of its own: what the learner goes back to when a handler fails."""
        twin = copy(self)
        twin.payments = self.payments.copy()
        twin.merchants, twin.devices = dict(self.merchants), dict(self.devices)
        return twin


def seconds(event: Event) -> float:
    """The event's moment, seconds since 1970; without a zone it is UTC."""
    return to_us(event["time"]) / 1e6


def history(view: View, now: float) -> dict[str, float]:
    """`count_1h` to `count_30d` and `amount_1h` to `amount_30d`: the payments of so long before `now`."""
    found = dict.fromkeys((f"{what}_{span}" for what in ("count", "amount") for span in SPANS), 0.0)
    for moment, amount in orjson.loads(str(view.get("payments", "[]"))):
        for span, length in SPANS.items():
            if moment > now - length:
                found[f"count_{span}"] += 1
                found[f"amount_{span}"] += amount
    return {name: round(value, 6) for name, value in found.items()}


def knows(view: View, names: str, id: str) -> bool:  # the field's own word
    """Whether the view's `merchants` or `devices` hold this id."""
    known: list[str] = orjson.loads(str(view.get(names, "[]")))
    return id in known


def moved_km(view: View, latitude: float, longitude: float) -> float:
    """From the last place; 0 without a last place."""
    if "last_latitude" not in view:
        return 0.0
    return distance_km(float(view["last_latitude"]), float(view["last_longitude"]), latitude, longitude)


def _touch(ids: dict[str, None], id: str, most: int) -> None:
    """Make it the newest, and forget the oldest beyond `most`."""
    ids.pop(id, None)
    ids[id] = None
    if len(ids) > most:
        del ids[next(iter(ids))]
