"""Pinning a version: its snapshot is copied to where serving finds it without MLflow."""

from serving.loader import Refused
from serving.problem import Problem
from serving.state import State
from streaming.errors import Unavailable
from streaming.pins import pin_object


def copy_to_pins(state: State, use_case: str, version: int) -> None:
    """Put the version's snapshot, verified, below `pins/`; while MLflow is away a copy made before will do."""
    place = pin_object(use_case, version)
    there = state.store.get(place)
    try:
        data = _registered(state, use_case, version)
    except Unavailable:
        if there is None:
            raise
        data = there
    try:
        state.load(use_case, data, f"version {version} of {use_case}")
    except Refused as error:
        raise Problem(409, "This version cannot be served", str(error)) from None
    if there == data:
        return
    if there is not None:  # a version of an MLflow that was emptied since
        state.store.delete(place)
    state.store.put_new(place, data)


def _registered(state: State, use_case: str, version: int) -> bytes:
    """The signed snapshot of a registered version: from the store, or, once pruned there, from MLflow."""
    found = state.versions.find(use_case, version)
    if found is None:
        what = f"there is no version {version} of {use_case}; GET /v1/{use_case}/models lists those there are"
        raise Problem(404, "Unknown version", what)
    name = found.object
    data = state.store.get(name) if name else None
    data = data or state.versions.snapshot(use_case, version)
    if not data:
        raise Problem(409, "This version cannot be served", f"version {version} of {use_case} holds no snapshot")
    return data
