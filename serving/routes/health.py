"""Liveness, readiness, Prometheus."""

import os

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.observed import Served
from serving.reply import reply
from serving.state import State
from streaming import metrics
from streaming.monitor import Build
from streaming.workers import Workers


def router(state: State) -> APIRouter:
    """Routes for those who run the API."""
    routes = APIRouter(tags=["health"])
    served = Served(state.models, state.records, state.predictors, state.versions.of)
    build = Build(metrics.API)

    @routes.head("/livez", include_in_schema=False)
    @routes.get("/livez", summary="Is the process alive?")
    async def livez() -> Response:
        """True whenever it answers at all: Kafka, Redis and MLflow do not matter here."""
        return reply({"status": "alive"})

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", summary="Can it answer as well as it ever will?")
    async def readyz() -> Response:
        """True once what the trainers published has been read to the end."""
        state.require_ready()
        return reply({"status": "ready"})

    @routes.head("/metrics", include_in_schema=False)
    @routes.get("/metrics", summary="Prometheus", response_class=Response)
    def prometheus() -> Response:
        """Every instrument of this API; with several workers those of all."""
        own = CollectorRegistry()
        own.register(served)
        own.register(build)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(own)  # type: ignore[no-untyped-call]
            own.register(Workers(os.getppid()))
            return Response(generate_latest(own), media_type=CONTENT_TYPE_LATEST)
        return Response(generate_latest(REGISTRY) + generate_latest(own), media_type=CONTENT_TYPE_LATEST)

    return routes
