"""The pin: which registered version serving keeps to, as wanted on `headrace.control`.

The pinned snapshot is copied to `pins/` in the object store before it is wanted, so that serving needs nothing else.
"""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from streaming import sealed
from streaming.errors import Damaged, HeadraceError
from streaming.snapshots import read_pointer
from streaming.store import Store


@dataclass(frozen=True)
class Pin:
    """A version of the registered model, and the object that holds its snapshot."""

    version: int
    object: str
    snapshot: str | None = None
    """Which snapshot that must be, `<epoch>-<n>`; not told by older records."""


def pin_key(use_case: str) -> str:
    """The record key of a use case's pin; a record without a value unpins."""
    return f"pin/{use_case}"


def pin_object(use_case: str, version: int) -> str:
    """Where the pinned snapshot is kept.

    >>> pin_object("churn", 7)
    'pins/churn/7.model'
    """
    return f"pins/{use_case}/{version}.model"


def pin_record(use_case: str, version: int, snapshot: str | None = None) -> tuple[str, bytes]:
    """Key and value of the record that pins a version whose object is already there: this snapshot, no other."""
    value = {"version": version, "object": pin_object(use_case, version), "snapshot": snapshot, "time": time.time()}
    return pin_key(use_case), orjson.dumps(value)


def put_pinned(
    store: Store, use_case: str, version: int, data: bytes, key: bytes, *, snapshot: str | None = None
) -> str:
    """Put a version's snapshot, verified, where serving finds it; do this before it is wanted. Tells which it is.

    `snapshot` is the one that the version was registered with, where that is known.
    """
    try:
        header, _ = sealed.unseal(data, key)
        pointer = read_pointer(header)
    except Damaged as error:
        raise HeadraceError(f"version {version} of {use_case} cannot be served: {error}") from None
    if pointer.use_case != use_case or snapshot not in (None, pointer.snapshot):
        holds = f"it holds the snapshot {pointer.snapshot} of {pointer.use_case}"
        raise HeadraceError(f"version {version} of {use_case} cannot be served: {holds}")
    place = pin_object(use_case, version)
    there = store.get(place)
    if there != data:
        if there is not None:  # a version of an MLflow that was emptied since
            store.delete(place)
        store.put_new(place, data)
    return pointer.snapshot


def wanted_pin(records: dict[str, Any], use_case: str) -> Pin | None:
    """The pin that the control records ask for.

    >>> wanted_pin({"pin/churn": {"version": 7, "object": "pins/churn/7.model", "time": 0.0}}, "churn")
    Pin(version=7, object='pins/churn/7.model', snapshot=None)
    """
    wanted = records.get(pin_key(use_case))
    if not isinstance(wanted, dict) or not wanted.get("version"):
        return None
    version = int(wanted["version"])
    return Pin(version, str(wanted.get("object") or pin_object(use_case, version)), wanted.get("snapshot"))
