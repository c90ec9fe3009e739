"""Forecasts of several steps: each prediction is the newest lag of the next."""

import asyncio
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from serving.model import Model
from serving.predictor import Predictor
from serving.problem import Problem
from serving.reply import reply
from serving.schema import RequestSchema
from serving.state import State
from streaming.usecase import Features
from usecases.market.changes import AVAILABLE
from usecases.market.forecast import Forecast, followed_by

MOST_STEPS = 1_000
_TURN_S = 0.005  # then the event loop answers somebody else

Steps = Annotated[int, Field(ge=1, le=MOST_STEPS, description="how many values to predict, one after the other")]


def router(state: State) -> APIRouter:
    """The route for those who look further ahead."""
    routes = APIRouter()
    known = state.predictors.get(Forecast.name)
    schema = RequestSchema(known.use_case, steps=Steps) if known else None
    content = {"application/json": {"schema": schema.json_schema()}} if schema else {}
    documented = {"requestBody": {"required": True, "content": content}}

    @routes.post("/v1/forecast/horizon", summary="Forecast", tags=["forecast"], openapi_extra=documented)
    async def horizon(request: Request) -> Response:
        """The next values of a symbol: as many as `steps`. The model is left as it is."""
        predictor = state.predictor(Forecast.name)
        assert schema is not None  # noqa: S101  # there is a predictor
        body = schema.parse(await request.body())
        if "steps" not in body:
            raise Problem(422, "The request is not valid", f"steps is missing; wanted 1 to {MOST_STEPS}")
        steps, name = body.pop("steps"), body.pop("id", None)
        x, model = await predictor.inputs(body)
        return reply({"symbol": x["symbol"], "steps": steps, "id": name} | await _ahead(predictor, x, model, steps))

    return routes


async def _ahead(predictor: Predictor, x: Features, model: Model | None, steps: int) -> dict[str, Any]:
    """The predictions of one model, and what every answer tells beside; others are answered meanwhile."""
    by_model = model is not None and model.ask(x).value is not None
    values, began = [], time.perf_counter()
    for value in _values(predictor, x, model if by_model else None, steps):
        values.append(value)
        if time.perf_counter() - began > _TURN_S:
            await asyncio.sleep(0)
            began = time.perf_counter()
    source = "model" if by_model else "rules"
    predictor.count[source]()
    return {
        "predictions": values,
        "source": source,
        "model": predictor.model_facts(model) if model is not None and by_model else None,
        AVAILABLE: x[AVAILABLE],
    }


def _values(predictor: Predictor, x: Features, model: Model | None, steps: int) -> Iterator[Any]:
    """One prediction after the other; by the rules without a model."""
    for _ in range(steps):
        value: Any = predictor.ruled(x) if model is None else model.ask(x).value
        yield value
        x = followed_by(x, value)
