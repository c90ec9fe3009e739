"""The clusters of the served model: how large each is, what is usual in it, and what to call it."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from serving.model import Model
from serving.predictor import SHARD
from serving.problem import busy
from serving.reply import reply
from serving.state import State
from usecases.web.interactions import Interactions
from usecases.web.summaries import summaries


def router(state: State) -> APIRouter:
    """The route for those who want to know which kinds there are."""
    routes = APIRouter()
    worked_out: dict[str, list[dict[str, Any]]] = {}
    alone = asyncio.Lock()

    async def of(model: Model) -> list[dict[str, Any]]:
        """Worked out once for each snapshot, beside the event loop."""
        async with alone:
            if model.object not in worked_out:
                found = await asyncio.to_thread(summaries, model.estimator)
                worked_out.clear()
                worked_out[model.object] = found
        return worked_out[model.object]

    @routes.get("/v1/interactions/clusters", summary="Clusters", tags=["interactions"])
    async def clusters() -> Response:
        """Each cluster with its name, its size among the last thousand interactions, and what is usual in it."""
        predictor = state.predictor(Interactions.name)
        model = state.models.get((Interactions.name, SHARD))
        if model is None:
            raise busy("There are no clusters yet", "no model of interactions is served yet")
        found = await of(model)
        facts = {"model": predictor.model_facts(model), "points": len(model.estimator.points)}
        return reply(facts | {"count": len(found), "clusters": found})

    return routes
