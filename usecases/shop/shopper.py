"""What is known of a customer's payments: the profile that the shop's use cases read.

Counts and sums fade instead of dropping out of a window: each is multiplied by exp(-age / span), so that a few numbers
say what a list of thirty days would, at any later moment (decayed counters: Cohen and Strauss, "Maintaining
time-decaying stream aggregates", 2006). A payment counts fully when made, and by a third when it is `span` old.
"""

from copy import copy
from math import asin, cos, exp, radians, sin, sqrt

from streaming.usecase import Event, View

SPANS = {"1h": 3_600.0, "24h": 86_400.0, "30d": 30 * 86_400.0}
"""Seconds of each memory."""
_MERCHANTS, _DEVICES = 60, 8
_EARTH_KM = 6_371.0


class Shopper:
    """Faded counts and amounts, the last place, the merchants and devices lately used."""

    __slots__ = ("amounts", "counts", "devices", "last", "latitude", "longitude", "merchants")

    def __init__(self) -> None:
        """Begin without a payment."""
        self.last = 0.0
        self.latitude = self.longitude = 0.0
        self.counts = dict.fromkeys(SPANS, 0.0)
        self.amounts = dict.fromkeys(SPANS, 0.0)
        self.merchants: dict[str, None] = {}
        self.devices: dict[str, None] = {}

    def update(self, event: Event) -> None:
        """Take in a payment; one that comes late counts as if made now."""
        now = max(self.last, event["time"].timestamp())
        for name, span in SPANS.items():
            left = exp((self.last - now) / span)
            self.counts[name] = self.counts[name] * left + 1.0
            self.amounts[name] = self.amounts[name] * left + event["amount"]
        self.last, self.latitude, self.longitude = now, event["latitude"], event["longitude"]
        _touch(self.merchants, event["merchant_id"], _MERCHANTS)
        _touch(self.devices, event["device_id"], _DEVICES)

    def view(self) -> dict[str, float | str]:
        """All of it as numbers and texts; ids are joined by spaces."""
        if not self.last:
            return {}
        return {
            "last": self.last,
            "last_latitude": self.latitude,
            "last_longitude": self.longitude,
            **{f"faded_count_{name}": count for name, count in self.counts.items()},
            **{f"faded_amount_{name}": amount for name, amount in self.amounts.items()},
            "merchants": _joined(self.merchants),
            "devices": _joined(self.devices),
        }

    def copy(self) -> "Shopper":
        """A shopper of its own: what the learner goes back to when a handler fails."""
        twin = copy(self)
        twin.counts, twin.amounts = dict(self.counts), dict(self.amounts)
        twin.merchants, twin.devices = dict(self.merchants), dict(self.devices)
        return twin


def faded(view: View, name: str, now: float) -> float:
    """A faded count or amount of the view as it is now: `name` is such as `count_1h`."""
    kept = view.get(f"faded_{name}", 0.0)
    age = max(0.0, now - float(view.get("last", now)))
    return float(kept) * exp(-age / SPANS[name.rpartition("_")[2]])


def knows(view: View, names: str, id: str) -> bool:  # the field's own word
    """Whether the view's `merchants` or `devices` hold this id."""
    return f" {id} " in str(view.get(names, ""))


def distance_km(view: View, latitude: float, longitude: float) -> float:
    """From the last place, on the great circle (haversine); 0 without a last place."""
    if "last_latitude" not in view:
        return 0.0
    lat_1, lon_1 = radians(float(view["last_latitude"])), radians(float(view["last_longitude"]))
    lat_2, lon_2 = radians(latitude), radians(longitude)
    half = sin((lat_2 - lat_1) / 2) ** 2 + cos(lat_1) * cos(lat_2) * sin((lon_2 - lon_1) / 2) ** 2
    return 2 * _EARTH_KM * asin(min(1.0, sqrt(half)))


def _joined(ids: dict[str, None]) -> str:
    return f" {' '.join(ids)} " if ids else ""


def _touch(ids: dict[str, None], id: str, most: int) -> None:
    """Make it the newest, and forget the oldest beyond `most`."""
    ids.pop(id, None)
    ids[id] = None
    if len(ids) > most:
        del ids[next(iter(ids))]
