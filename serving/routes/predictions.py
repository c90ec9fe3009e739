"""Predictions, one or many, and the labels that follow them."""

import time
from typing import Annotated

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from serving.problem import Problem, busy
from serving.reply import reply
from serving.state import State
from streaming.errors import Unavailable

MOST_ROWS = 1_000
"""Rows of one batch: the event loop answers nobody else meanwhile."""


class Label(BaseModel, extra="forbid"):
    """What turned out to be true of an earlier prediction."""

    id: Annotated[str, Field(min_length=1, max_length=200, description="the `id` that the prediction was given")]
    label: StrictBool | StrictInt | StrictFloat | StrictStr


def router(state: State) -> APIRouter:
    """Routes for those who ask."""
    routes = APIRouter()

    @routes.post("/v1/{use_case}/predict", summary="Predict")
    async def predict(use_case: str, request: Request) -> Response:
        """By features, or by the key alone: its features are looked up. The answer names the model and its age."""
        predictor = state.predictor(use_case)
        body = await request.body()
        began = time.perf_counter()
        answer = reply(await predictor.answer(predictor.schema.parse(body)))
        predictor.seconds.observe(time.perf_counter() - began)
        return answer

    @routes.post("/v1/{use_case}/predict/batch", summary="Predict many")
    async def batch(use_case: str, request: Request) -> Response:
        """A list of requests; as many answers in the same order, all by one model. One wrong row refuses the list."""
        predictor = state.predictor(use_case)
        rows = predictor.schema.parse_rows(await request.body())
        if len(rows) > MOST_ROWS:
            raise Problem(413, "Too many rows", f"at most {MOST_ROWS} rows at a time, got {len(rows)}")
        return reply({"predictions": await predictor.answers(rows)})

    @routes.post("/v1/{use_case}/labels", summary="Send a label", status_code=202)
    async def label(use_case: str, body: Label) -> Response:
        """Accepted once Kafka has it; the trainer joins it to the prediction with this id."""
        name = state.predictor(use_case).use_case.name
        value = {"id": body.id, "label": body.label}
        try:
            await state.outbox.send(f"{name}.labels", body.id, orjson.dumps(value))
        except Unavailable as error:
            raise busy("The label was not taken", str(error)) from None
        return reply(value, 202)

    return routes
