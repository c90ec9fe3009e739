"""The pin: which registered version serving keeps to, as wanted on `headrace.control`.

The pinned snapshot is copied to `pins/` in the object store before it is wanted, so that serving needs nothing else.
"""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from streaming import sealed
from streaming.errors import Damaged, HeadraceError
from streaming.store import Store


@dataclass(frozen=True)
class Pin:
    """A version of the registered model, and the object that holds its snapshot."""

    version: int
    object: str


def pin_key(use_case: str) -> str:
    """The record key of a use case's pin; a record without a value unpins."""
    return f"pin/{use_case}"


def pin_object(use_case: str, version: int) -> str:
    """Where the pinned snapshot is kept.

    >>> pin_object("churn", 7)
    'pins/churn/7.model'
    """
    return f"pins/{use_case}/{version}.model"


def pin_record(use_case: str, version: int) -> tuple[str, bytes]:
    """Key and value of the record that pins a version whose object is already there."""
    value = {"version": version, "object": pin_object(use_case, version), "time": time.time()}
    return pin_key(use_case), orjson.dumps(value)


def put_pinned(store: Store, use_case: str, version: int, snapshot: bytes, key: bytes) -> None:
    """Put a version's snapshot, verified, where serving finds it; do this before it is wanted."""
    try:
        header, _ = sealed.unseal(snapshot, key)
    except Damaged as error:
        raise HeadraceError(f"version {version} of {use_case} cannot be served: {error}") from None
    if (header.get("kind"), header.get("use_case")) != ("model", use_case):
        raise HeadraceError(f"version {version} of {use_case} cannot be served: it holds something else")
    place = pin_object(use_case, version)
    there = store.get(place)
    if there == snapshot:
        return
    if there is not None:  # a version of an MLflow that was emptied since
        store.delete(place)
    store.put_new(place, snapshot)


def wanted_pin(records: dict[str, Any], use_case: str) -> Pin | None:
    """The pin that the control records ask for.

    >>> wanted_pin({"pin/churn": {"version": 7, "object": "pins/churn/7.model", "time": 0.0}}, "churn")
    Pin(version=7, object='pins/churn/7.model')
    """
    wanted = records.get(pin_key(use_case))
    if not isinstance(wanted, dict) or not wanted.get("version"):
        return None
    version = int(wanted["version"])
    return Pin(version, str(wanted.get("object") or pin_object(use_case, version)))
