"""Pinning a version: its snapshot is copied to where serving finds it without MLflow."""

from serving.loader import Refused, load_model
from serving.problem import Problem
from serving.state import State
from streaming.errors import Unavailable
from streaming.pins import pin_object, put_pinned


def copy_to_pins(state: State, use_case: str, version: int) -> str:
    """Put the version's snapshot, verified, below `pins/`; while MLflow is away a copy made before will do.

    Tells which snapshot it is.
    """
    there = state.store.get(pin_object(use_case, version))
    try:
        data, snapshot = _registered(state, use_case, version)
    except Unavailable:
        if there is None:
            raise
        data, snapshot = there, None
    try:
        known = state.predictors[use_case].use_case
        load_model(data, state.key, known, f"version {version} of {use_case}", snapshot)
        return put_pinned(state.store, use_case, version, data, state.key)
    except Refused as error:
        raise Problem(409, "This version cannot be served", str(error)) from None


def _registered(state: State, use_case: str, version: int) -> tuple[bytes, str]:
    """The signed snapshot of a registered version: from the store, or, once pruned there, from MLflow; and its name."""
    found = state.versions.find(use_case, version)
    if found is None:
        what = f"there is no version {version} of {use_case}; GET /v1/{use_case}/models lists those there are"
        raise Problem(404, "Unknown version", what)
    name = found.object
    data = state.store.get(name) if name else None
    return data or state.versions.snapshot(use_case, version), found.snapshot
