"""The API, wired: what follows Kafka, loads models and looks up features, and the routes over it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving import records as told
from serving.follower import Follower
from serving.loader import Loader, read_model, sample_features
from serving.model import Models
from serving.observed import Requests
from serving.openapi import expand
from serving.outbox import Outbox
from serving.predictor import Predictor
from serving.problem import handle_problems
from serving.records import Records
from serving.routes import about, clusters, health, horizon, models, predictions, signal, training
from serving.state import State
from serving.versions import Versions
from serving.views import MemoryViews, RedisViews, Views
from streaming.kafka import ensure_topics
from streaming.logs import set_up_logs
from streaming.settings import Kafka, Settings, load_settings
from streaming.signing import signing_key
from streaming.store import Store
from streaming.topics import AUDIT, CONTROL
from streaming.usecase import Features, UseCase
from streaming.versions import model_name
from usecases.registry import load_use_cases

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_DESCRIPTION = """Predictions by models that go on learning. Every answer names the model that gave it, and its age.

Send features, or a key alone: what is known of it is looked up. Errors are `application/problem+json`."""


def from_environment() -> FastAPI:
    """The app by the settings in the environment: what a worker process runs."""
    settings = load_settings()
    set_up_logs(settings.logs, service="api")
    return create_app(settings, load_use_cases(settings))


def create_app(settings: Settings, use_cases: Mapping[str, UseCase]) -> FastAPI:
    """Connect the parts; nothing is contacted before the app starts."""
    store, key = Store(settings.store), signing_key(settings)
    records, served, complete = Records(), Models(), threading.Event()
    outbox, versions = (
        Outbox(settings.kafka),
        Versions(settings.mlflow_tracking_uri, partial(_model_names, use_cases, served)),
    )
    prepare = partial(_make_topics, settings.kafka, use_cases)
    views, view_followers = _views(settings, use_cases, prepare)
    loaders = {
        name: Loader(
            use_case,
            records,
            served,
            partial(read_model, store, key, use_case),
            partial(_sample, use_case, records),
            complete,
        )
        for name, use_case in use_cases.items()
    }
    take = partial(_take, records, loaders)
    threads: list[Follower | Loader] = [
        Follower(settings.kafka, told.TOPICS, take, prepare, complete),
        *view_followers,
        *loaders.values(),
    ]
    state = State(
        predictors={
            name: Predictor(use_case, served, views, versions.of, partial(records.partitions, name))
            for name, use_case in use_cases.items()
        },
        records=records,
        models=served,
        outbox=outbox,
        versions=versions,
        store=store,
        key=key,
        ready=lambda: all(thread.ready for thread in threads),
    )
    return build(state, _lifespan([outbox, versions, *threads], views))


def _views(
    settings: Settings, use_cases: Mapping[str, UseCase], prepare: Callable[[], None]
) -> tuple[Views, list[Follower]]:
    """Where views are looked up: in Redis, or in memory with a follower that fills it."""
    if settings.redis_url:
        return RedisViews(settings.redis_url), []
    complete = threading.Event()
    views = MemoryViews(complete)
    topics = [f"{name}.views" for name, use_case in use_cases.items() if type(use_case).profile is not None]
    return views, [Follower(settings.kafka, topics, views.take, prepare, complete)] if topics else []


def _take(records: Records, loaders: Mapping[str, Loader], topic: str, key: str, value: bytes | None) -> None:
    """Use one record, and wake the loader that it concerns; a pin is nothing to wait for."""
    changed = records.take(topic, key, value)
    if changed is not None and changed in loaders:
        loader = loaders[changed]
        (loader.hurry if topic == CONTROL else loader.wake)()


def _model_names(use_cases: Mapping[str, UseCase], served: Models) -> list[str]:
    """The registered models whose versions may be served."""
    whole = [name for name, use_case in use_cases.items() if not use_case.sharded]
    return whole + [model_name(name, shard) for name, shard in served.copy() if name not in whole]


def _sample(use_case: UseCase, records: Records) -> Features | None:
    return sample_features(use_case, records.status(use_case.name))


def _lifespan(parts: Sequence[Outbox | Versions | Follower | Loader], views: Views) -> Lifespan:
    """Start the parts; stop them all at once, when the last request is answered."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for part in parts:
            part.start()
        yield
        await asyncio.gather(*(asyncio.to_thread(part.stop) for part in parts))
        await views.close()

    return lifespan


def build(state: State, lifespan: Lifespan | None = None) -> FastAPI:
    """The routes over connected parts."""
    app = FastAPI(title="Headrace", description=_DESCRIPTION, version=_version(), lifespan=lifespan)
    app.add_middleware(Requests)
    handle_problems(app)
    for routes in (predictions, horizon, signal, clusters, about, training, models, health):
        app.include_router(routes.router(state))

    def document() -> dict[str, object]:
        if app.openapi_schema is None:
            plain = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = expand(plain, {name: p.schema for name, p in state.predictors.items()})
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
    return app


def _make_topics(kafka: Kafka, use_cases: Mapping[str, UseCase]) -> None:
    ensure_topics(kafka, [*told.TOPICS, AUDIT, *(f"{name}.views" for name in use_cases)], compacted=True)
    ensure_topics(kafka, [f"{name}.labels" for name in use_cases])


def _version() -> str:
    from importlib.metadata import version

    return version("headrace")
