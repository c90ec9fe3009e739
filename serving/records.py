"""What the compacted topics said last: pointers to snapshots, trainers' status, wanted switches and pins."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from streaming import control, shards
from streaming.errors import Damaged
from streaming.pins import Pin, pin_key, wanted_pin
from streaming.snapshots import Pointer
from streaming.topics import CONTROL, MODELS, STATUS

log = structlog.get_logger()

TOPICS = (MODELS, STATUS, CONTROL)
_TAKEOVER_S = 10.0
"""A lower epoch replaces a higher one that has said nothing for so long: its store was emptied."""


class Wanted(NamedTuple):
    """A model to serve: its shard, where it is, its rank among the shard's snapshots, the version it is pinned as.

    `snapshot` is the one that a pin means, where it tells.
    """

    shard: str
    object: str
    order: tuple[int, int] | None
    pinned: int | None = None
    snapshot: str | None = None


class Records:
    """The newest record of every key. One thread takes, the others read: each change is one assignment."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._control: dict[str, Any] = {}
        self._pointers: dict[str, dict[str, Pointer]] = {}
        self._status: dict[str, dict[str, Any]] = {}

    def take(self, topic: str, key: str, value: bytes | None) -> str | None:
        """Use one record; names the use case whose wanted model may be another one now."""
        if topic == CONTROL:
            control.apply(self._control, key.encode(), value)
            return key.removeprefix(pin_key("")) if key.startswith(pin_key("")) else None
        if topic == MODELS:
            return self._take_pointer(key, value)
        if topic == STATUS:
            self._take_status(key, value)
        return None

    def training_wanted(self, use_case: str) -> bool:
        """The switch, as it is wanted."""
        return control.wants_training(self._control, use_case)

    def training_applied(self, use_case: str) -> bool | None:
        """The switch, as the trainer last said it does; None when none has spoken lately."""
        status = self.status(use_case)
        if status is None or not control.is_recent(status):
            return None
        return bool(status["training"]["applied"])

    def pin(self, use_case: str) -> Pin | None:
        """The wanted pin."""
        return wanted_pin(self._control, use_case)

    def status(self, use_case: str) -> dict[str, Any] | None:
        """What the use case's trainer last said; what several shards said is put together."""
        said = [status for key, status in sorted(self._status.copy().items()) if key.rpartition("/")[0] == use_case]
        return (said[0] if len(said) == 1 else _together(said)) if said else None

    def partitions(self, use_case: str) -> int | None:
        """How many partitions the topics of a sharded use case have; None while no trainer has told."""
        status = self.status(use_case) or {}
        return status.get("partitions")

    def statuses(self) -> list[dict[str, Any]]:
        """What every trainer last said."""
        return list(self._status.copy().values())

    def newest(self, use_case: str) -> Pointer | None:
        """The newest pointer of a use case."""
        pointers = self._pointers.get(use_case, {}).copy().values()
        return max(pointers, key=lambda pointer: pointer.order, default=None)

    def wanted(self, use_case: str) -> list[Wanted]:
        """The models to serve, best first: the pinned one alone, or each shard's pointers with the newest first."""
        pin = self.pin(use_case)
        pointers = self._pointers.get(use_case, {}).copy().values()
        if pin is not None:
            return [Wanted("0", pin.object, None, pin.version, pin.snapshot)]
        newest_first = sorted(pointers, key=lambda pointer: pointer.order, reverse=True)
        return [Wanted(pointer.shard, pointer.object, pointer.order) for pointer in newest_first]

    def _take_pointer(self, key: str, value: bytes | None) -> str | None:
        use_case = key.split("/", 1)[0]
        known = self._pointers.setdefault(use_case, {})
        if value is None:
            known.pop(key, None)
            return None
        try:
            pointer = Pointer.decode(value)
        except Damaged as error:
            log.warning("a pointer is passed over", key=key, reason=str(error))
            return None
        if pointer.key != key:
            log.warning("a pointer is passed over", key=key, reason=f"it says that it is {pointer.key}")
            return None
        if key not in known or pointer.order > known[key].order:
            known[key] = pointer
        return use_case

    def _take_status(self, key: str, value: bytes | None) -> None:
        said: dict[str, Any] = {}
        control.apply(said, key.encode(), value)
        if value is None:
            self._status.pop(key, None)
        elif isinstance(status := said.get(key), dict) and _replaces(status, self._status.get(key)):
            self._status[key] = status


def _together(said: list[dict[str, Any]]) -> dict[str, Any]:
    """One status of all shards: the newest of them, with the counts and metrics of all."""
    newest = max(said, key=lambda status: status["time"])
    candidates, metric = shards.averaged(said), f"rolling_{newest.get('metric')}"
    lags = [status["lag"] for status in said if status.get("lag") is not None]
    recent = [status for status in said if control.is_recent(status)]
    return {
        **newest,
        **shards.added_up(said),
        "shards": len(said),
        "champion": shards.best(candidates, metric, bigger=bool(newest.get("bigger_is_better", True))),
        "changes": [{**change, "shard": one.get("shard")} for one in said for change in one.get("changes") or ()],
        "paired": shards.paired(said),
        "candidates": candidates,
        "served": shards.averaged([{**status, "candidates": {"": status.get("served") or {}}} for status in said])[""],
        "drift": _drifts(said),
        "failed": {name: why for status in said for name, why in (status.get("failed") or {}).items()},
        "lag": sum(lags) if lags else None,
        "recent": [body for status in said for body in status.get("recent") or ()],
        "training": {"applied": all(status["training"]["applied"] for status in recent or [newest])},
    }


def _drifts(said: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By candidate how often any shard found it, and the last time."""
    found: dict[str, dict[str, Any]] = {}
    for name, drift in (pair for status in said for pair in (status.get("drift") or {}).items()):
        before = found.get(name, {"found": 0, "last": None})
        last = max(filter(None, (before["last"], drift["last"])), default=None)
        found[name] = {"found": before["found"] + drift["found"], "last": last}
    return found


def _replaces(status: dict[str, Any], before: dict[str, Any] | None) -> bool:
    if "time" not in status or "training" not in status:
        return False
    if before is None or status.get("epoch", 0) >= before.get("epoch", 0):
        return True
    return seconds_between(before["time"], status["time"]) > _TAKEOVER_S


def seconds_between(earlier: str, later: str) -> float:
    """From one ISO 8601 moment to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def by_shard(wanted: Iterable[Wanted]) -> dict[str, list[Wanted]]:
    """The wanted models by shard, in their order."""
    found: dict[str, list[Wanted]] = {}
    for one in wanted:
        found.setdefault(one.shard, []).append(one)
    return found
