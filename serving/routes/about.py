"""What there is to know of a use case: its declaration, its learning, what may be sent."""

import random
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from serving.predictor import Predictor
from serving.problem import Problem
from serving.records import Records, seconds_between
from serving.reply import reply
from serving.state import State
from streaming.control import is_recent
from streaming.scoring import both_names, metric_name, metric_names
from streaming.usecase import UseCase

_COUNTS = ("learned", "events", "questions", "answers", "pending", "expired", "late", "duplicates", "dead")


def router(state: State) -> APIRouter:
    """Routes for those who look."""
    routes = APIRouter()
    dice = random.Random()

    @routes.get("/v1/use-cases", summary="The use cases there are", tags=["use cases"])
    async def use_cases() -> Response:
        """Name, question and links of each."""
        return reply({"use_cases": [_headline(state, predictor) for predictor in state.predictors.values()]})

    @routes.get("/v1/{use_case}", summary="A use case")
    async def use_case(use_case: str) -> Response:
        """Topics, candidates, metric, champion, the training switch, the model that is served."""
        predictor = state.predictor(use_case)
        return reply(_headline(state, predictor) | _declaration(state.records, predictor))

    @routes.get("/v1/{use_case}/metrics", summary="How it learns")
    async def metrics(use_case: str) -> Response:
        """Counts, and each candidate's metrics over its life and over the rolling window; a second old at most."""
        known = state.predictor(use_case).use_case
        state.require_ready()
        return reply(learning_facts(state.records, known))

    @routes.get("/v1/{use_case}/sample", summary="A body to try")
    async def sample(use_case: str) -> Response:
        """A valid body for predict, drawn from what was lately asked or learned; made up when there is none."""
        predictor = _with_request(state.predictor(use_case))
        recent = (state.records.status(use_case) or {}).get("recent") or []
        known = [body for body in recent if isinstance(body, dict) and predictor.schema.accepts(body)]
        return reply(dice.choice(known) if known else predictor.schema.made_up(dice))

    @routes.get("/v1/{use_case}/fields", summary="The fields of a request")
    async def fields(use_case: str) -> Response:
        """Each with its type, its values or range, and what it means."""
        predictor = _with_request(state.predictor(use_case))
        return reply({"key": predictor.schema.key, "fields": predictor.schema.fields()})

    return routes


def learning_facts(records: Records, use_case: UseCase) -> dict[str, Any]:
    """What the trainer last said of its learning; zeros and nulls when it never said anything."""
    status = records.status(use_case.name) or {}
    names = metric_names(type(use_case))
    nothing = dict.fromkeys(names)
    return {
        "use_case": use_case.name,
        **{count: status.get(count, 0) for count in _COUNTS},
        "metric": names[0],
        "champion": status.get("champion"),
        "changes": status.get("changes") or [],
        "paired": status.get("paired") or {},
        "candidates": status.get("candidates") or dict.fromkeys(type(use_case).candidates, nothing),
        "served": status.get("served") or dict.fromkeys(both_names(type(use_case).metric())),
        "drift": status.get("drift") or {},
        "failed": status.get("failed") or {},
        "lag": status.get("lag"),
        "event_time": status.get("event_time"),
        "state": trainer_state(status),
        "time": status.get("time"),
        "age_seconds": _age(status),
    }


def trainer_state(status: dict[str, Any]) -> str:
    """In a word: learning, paused, silent (nothing said for ten seconds), or never started.

    >>> trainer_state({})
    'never started'
    """
    if not status:
        return "never started"
    return str(status.get("state") or "learning") if is_recent(status) else "silent"


def _headline(state: State, predictor: Predictor) -> dict[str, Any]:
    name, model = predictor.use_case.name, predictor.model
    status = state.records.status(name) or {}
    return {
        "name": name,
        "description": (type(predictor.use_case).__doc__ or "").strip().split("\n")[0],
        "champion": status.get("champion"),
        "model": None if model is None else predictor.model_facts(model),
        "has_rules": type(predictor.use_case).rules is not UseCase.rules,
        "links": {word: f"/v1/{name}/{word}" for word in ("predict", "metrics", "models", "sample", "fields")},
    }


def _declaration(records: Records, predictor: Predictor) -> dict[str, Any]:
    use_case = predictor.use_case
    kind, pin = type(use_case), records.pin(use_case.name)
    return {
        "topics": [topic.name for topic in kind.topics],
        "candidates": list(kind.candidates),
        "metric": metric_name(kind.metric()),
        "horizon_seconds": kind.horizon.total_seconds(),
        "views": predictor.views,
        "training": {
            "enabled": records.training_wanted(use_case.name),
            "applied": records.training_applied(use_case.name),
        },
        "pinned": None if pin is None else pin.version,
    }


def _with_request(predictor: Predictor) -> Predictor:
    if type(predictor.use_case).request is None:
        what = f"{predictor.use_case.name} declares no request: predictions cannot be asked for here"
        raise Problem(404, "Nothing to ask", what)
    return predictor


def _age(status: dict[str, Any]) -> float | None:
    return max(0.0, seconds_between(status["time"], datetime.now(UTC).isoformat())) if status else None
