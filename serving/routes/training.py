"""The training switch."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StrictBool

from serving.problem import busy
from serving.reply import reply
from serving.state import State, until
from streaming.control import training_record
from streaming.errors import Unavailable

_FOLLOW_S = 2.0


class Switch(BaseModel, extra="forbid"):
    """On or off."""

    enabled: StrictBool


def router(state: State) -> APIRouter:
    """Routes of the switch."""
    routes = APIRouter()

    @routes.get("/v1/{use_case}/training", summary="Is it learning?")
    async def look(use_case: str) -> Response:
        """`enabled`: what is wanted; `applied`: what the trainer does, null when none has spoken lately."""
        name, records = state.predictor(use_case).use_case.name, state.records
        state.require_ready()
        return reply({"enabled": records.training_wanted(name), "applied": records.training_applied(name)})

    @routes.put("/v1/{use_case}/training", summary="Turn learning on or off")
    async def turn(use_case: str, switch: Switch, request: Request) -> Response:
        """Answers once Kafka has it, after two seconds at most: `applied` tells whether the trainer has followed."""
        name, wanted = state.predictor(use_case).use_case.name, switch.enabled
        try:
            what = f"training {'on' if wanted else 'off'}"
            await state.want(request, training_record(name, enabled=wanted), what, name)
        except Unavailable as error:
            raise busy("The switch was not taken", str(error)) from None

        def followed() -> bool:
            records = state.records
            return records.training_wanted(name) == wanted and records.training_applied(name) in (wanted, None)

        await until(followed, _FOLLOW_S)
        return reply({"enabled": wanted, "applied": state.records.training_applied(name)})

    return routes
