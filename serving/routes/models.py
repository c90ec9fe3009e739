"""Registered versions: the list, and the pin that serving keeps to."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from serving.pinning import copy_to_pins
from serving.problem import Problem, busy
from serving.reply import reply
from serving.state import State, until
from streaming.errors import Unavailable
from streaming.pins import pin_key, pin_record
from streaming.scoring import metric_name
from streaming.usecase import UseCase
from streaming.versions import Version, best_first, model_name

Found = TypeVar("Found")
_ANSWER_S = 10.0
_FOLLOW_S = 2.0


class PinWanted(BaseModel, extra="forbid"):
    """The version to keep to."""

    version: int = Field(ge=1, strict=True)


def router(state: State) -> APIRouter:
    """Routes of versions and the pin."""
    routes = APIRouter()

    @routes.get("/v1/{use_case}/models", summary="Registered versions, best first")
    async def versions(use_case: str) -> Response:
        """Version, aliases, rolling metric, learned, links to MLflow's pages. 503 while MLflow does not answer."""
        known = state.predictor(use_case).use_case
        return reply({"use_case": known.name, **await _in_thread(lambda: listing(state, known))})

    @routes.put("/v1/{use_case}/models/pin", summary="Pin a version")
    async def pin(use_case: str, wanted: PinWanted, request: Request) -> Response:
        """Every copy of the API serves this version until it is unpinned; learning goes on beside it."""
        known, version = state.predictor(use_case).use_case, wanted.version
        name = known.name
        if known.sharded:
            what = f"{name} is sharded: a version is the model of one shard, and a pin would serve it for all"
            raise Problem(409, "This version cannot be pinned", what)
        snapshot = await _in_thread(lambda: copy_to_pins(state, name, version))
        with _taken():
            record = pin_record(name, version, snapshot)
            await state.want(request, record, "pinned", name, to=version, snapshot=snapshot)
        applied = await until(lambda: _served_pin(state, name) == version, _FOLLOW_S)
        return reply({"version": version, "applied": applied})

    @routes.delete("/v1/{use_case}/models/pin", summary="Unpin")
    async def unpin(use_case: str, request: Request) -> Response:
        """Serve the newest snapshot again."""
        name = state.predictor(use_case).use_case.name
        with _taken():
            await state.want(request, (pin_key(name), None), "unpinned", name)
        applied = await until(lambda: state.records.pin(name) is None and _served_pin(state, name) is None, _FOLLOW_S)
        return reply({"version": None, "applied": applied})

    return routes


def listing(state: State, use_case: UseCase) -> dict[str, Any]:
    """The versions with the best first, by the metric that chooses the champion."""
    name, pin = use_case.name, state.records.pin(use_case.name)
    metric = type(use_case).metric()
    shards = sorted(shard for known, shard in state.models.copy() if known == name) if use_case.sharded else [None]
    models: list[dict[str, Any]] = []
    for shard in shards:
        registered = model_name(name, shard)
        versions = best_first(state.versions.all(registered), bigger_is_better=bool(metric.bigger_is_better))
        models += [_facts(state, registered, version) | ({"shard": shard} if shard else {}) for version in versions]
    return {"metric": metric_name(metric), "pinned": pin and pin.version, "models": models}


def _facts(state: State, registered: str, version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "aliases": version.aliases,
        "candidate": version.candidate,
        "metric": version.rolling,
        "lifetime": version.value,
        "learned": version.learned,
        "snapshot": version.snapshot,
        "registered": datetime.fromtimestamp(version.registered_s, UTC),
        "version_url": None,
        "run_url": None,
        **state.versions.urls(registered, version),
    }


def _served_pin(state: State, use_case: str) -> int | None:
    model = state.predictors[use_case].model
    return None if model is None else model.pinned


@contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        raise busy("The pin was not taken", str(error)) from None


async def _in_thread(ask: Callable[[], Found]) -> Found:
    """Ask a server off the event loop; one that does not answer is a 503 of this route alone."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(ask), _ANSWER_S)
    except Unavailable as error:
        raise busy("Versions are not known now", str(error)) from None
    except TimeoutError:
        raise busy("Versions are not known now", f"no answer within {_ANSWER_S:g} s") from None
