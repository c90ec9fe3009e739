"""Liveness, readiness, Prometheus."""

import os
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.reply import reply
from serving.state import State
from streaming import metrics


def router(state: State) -> APIRouter:
    """Routes for those who run the API."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez", summary="Is the process alive?")
    async def livez() -> Response:
        """True whenever it answers at all: Kafka, Redis and MLflow do not matter here."""
        return reply({"status": "alive"})

    @routes.get("/readyz", summary="Can it answer as well as it ever will?")
    async def readyz() -> Response:
        """True once what the trainers published has been read to the end."""
        state.require_ready()
        return reply({"status": "ready"})

    @routes.get("/metrics", summary="Prometheus", response_class=Response)
    def prometheus() -> Response:
        """Every instrument of this API; with several workers those of all."""
        for (use_case, _), model in state.models.copy().items():
            metrics.MODEL_AGE.labels(use_case).set(max(0.0, time.time() - model.taken_s))
            metrics.MODEL_LEARNED.labels(use_case).set(model.pointer.learned)
        for status in state.records.statuses():
            _observe(status)
        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


def _observe(status: dict[str, Any]) -> None:
    """Trainers have no page of their own: what they say of their checkpoints is shown here."""
    labels, told = (str(status.get("use_case")), str(status.get("shard"))), status.get("checkpoint") or {}
    said = {
        metrics.CHECKPOINT_BYTES: told.get("bytes"),
        metrics.CHECKPOINT_PAUSE_SECONDS: told.get("pause_s"),
        metrics.CHECKPOINT_FAILURES: told.get("failures"),
        metrics.CHECKPOINT_REFUSED: told.get("refused"),
        metrics.PROFILES_EVICTED: status.get("evicted"),
    }
    if status.get("checkpoint_age_s") is not None:
        since = (datetime.now(UTC) - datetime.fromisoformat(status["time"])).total_seconds()
        said[metrics.CHECKPOINT_AGE] = status["checkpoint_age_s"] + max(0.0, since)
    for gauge, value in said.items():
        if value is not None:
            gauge.labels(*labels).set(value)
