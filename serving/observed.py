"""What the API shows to Prometheus: each request as it ends, and at each scrape what is served."""

import random
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.model import Models
from serving.records import Records
from streaming import metrics

log = structlog.get_logger()

REGISTRY.register(metrics.IN_FLIGHT)

_ID = b"x-request-id"
_PLAIN = re.compile(r"[\w.-]{1,64}", re.ASCII)
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"})


class Requests:
    """A layer around the app that counts and times requests by route, never by path: keys and names stay outside."""

    def __init__(self, app: ASGIApp) -> None:
        """Around this app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()
        request_id = _request_id(scope)
        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (_ID, request_id.encode())]}
            await send(message)

        metrics.IN_FLIGHT.inc()
        try:
            await self._app(scope, receive, note)
        except Exception:
            use_case = scope.get("path_params", {}).get("use_case")
            what = "a request failed: it is answered with 500"
            log.exception(what, use_case=use_case, method=scope["method"], path=scope["path"])
            raise
        finally:
            structlog.contextvars.reset_contextvars(**tokens)
            metrics.IN_FLIGHT.dec()
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            count, observe = _series(route, method, status)
            count()
            observe(time.perf_counter() - began)


@cache
def _series(route: str, method: str, status: int) -> tuple[Callable[[], None], Callable[[float], None]]:
    """What counts and what times such a request: looked up once, for there are few."""
    return metrics.REQUESTS.labels(route, method, str(status)).inc, metrics.REQUEST_SECONDS.labels(route).observe


def _request_id(scope: Scope) -> str:
    """The client's own, when it is one that can stand in a log line; else a new one."""
    said = next((value for name, value in scope["headers"] if name == _ID), b"").decode("latin-1")
    return said if _PLAIN.fullmatch(said) else f"{random.getrandbits(128):032x}"


class Served(Collector):
    """The models that are served, the switches, and how long the trainers have been silent."""

    def __init__(
        self, models: Models, records: Records, use_cases: Iterable[str], version_of: Callable[[str], int | None]
    ) -> None:
        """Of the process that is asked: workers serve the same."""
        self._models, self._records, self._use_cases = models, records, list(use_cases)
        self._version_of = version_of

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All of it as it is now."""
        models, now = self._models.copy(), time.time()
        yield metrics.MODEL_AGE.family({where: max(0.0, now - model.taken_s) for where, model in models.items()})
        yield metrics.MODEL_LEARNED.family({where: model.pointer.learned for where, model in models.items()})
        info: dict[tuple[str, ...], float] = {}
        for where, model in models.items():
            version = model.pinned or self._version_of(model.object)
            known = "" if version is None else str(version)
            info[*where, model.pointer.candidate, known, str(model.pinned is not None).lower()] = 1.0
        yield metrics.MODEL_INFO.family(info)
        wanted: dict[tuple[str, ...], float] = {
            (name,): float(self._records.training_wanted(name)) for name in self._use_cases
        }
        yield metrics.TRAINING_WANTED.family(wanted)
        yield metrics.TRAINER_SILENT.family(
            {
                (str(said.get("use_case")), str(said.get("shard", "0"))): _since(said["time"])
                for said in self._records.statuses()
            }
        )


def _since(time: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
