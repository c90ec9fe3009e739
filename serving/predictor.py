"""From a request to its answer: features, the served model or the rules, and what the use case says beside it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serving.model import Model, Models
from serving.problem import Problem, busy
from serving.schema import RequestSchema
from serving.views import Views
from streaming import metrics
from streaming.asking import Prediction
from streaming.errors import BadRecord, Unavailable
from streaming.partition import partition_of
from streaming.usecase import Features, Label, UseCase

SHARD = "0"
_NO_VIEW: Mapping[str, float | str] = {}


class Predictor:
    """Answers the requests of one use case. The model is taken once for each request, so a swap falls between two."""

    def __init__(
        self,
        use_case: UseCase,
        models: Models,
        views: Views,
        version_of: Callable[[str], int | None],
        partitions: Callable[[], int | None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`version_of` gives the registered version of a snapshot's object.

        `partitions` tells how many shards a sharded use case has, once a trainer has told it.
        """
        self.use_case, self.schema = use_case, RequestSchema(use_case)
        self._models, self._views, self._version_of, self._clock = models, views, version_of, clock
        self._partitions = partitions
        name = use_case.name
        self.count = {source: metrics.PREDICTIONS.labels(name, source).inc for source in ("model", "rules")}
        """Counts an answer, by what gave it."""
        self._lookups = {what: metrics.VIEW_LOOKUPS.labels(name, what) for what in ("found", "unknown", "failed")}
        self._feature_age = metrics.FEATURE_AGE.labels(name)
        self.seconds = metrics.PREDICT_SECONDS.labels(name)

    @property
    def views(self) -> str | None:
        """Where features are looked up by key: redis or memory; None where there is no key to look up by."""
        return self._views.kind if self.schema.key else None

    @property
    def model(self) -> Model | None:
        """What is served now; of a sharded use case the model that has learned most."""
        name = self.use_case.name
        if not self.use_case.sharded:
            return self._models.get((name, SHARD))
        served = [model for (use_case, _), model in self._models.copy().items() if use_case == name]
        return max(served, key=lambda model: model.pointer.learned, default=None)

    def _model_for(self, request: dict[str, Any]) -> Model | None:
        """The model of the shard that the request's key is in."""
        field = self.schema.shard_key
        if field is None:
            return self.model
        if field not in request:
            raise Problem(422, "The request is not valid", f"{field} missing: there is a model for each part of them")
        partitions = self._partitions()
        if partitions is None:
            return None
        return self._models.get((self.use_case.name, str(partition_of(str(request[field]).encode(), partitions))))

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one parsed request."""
        name = request.pop("id", None)
        x, model = await self.inputs(request)
        return self._answer(x, model, name)

    async def inputs(self, request: dict[str, Any]) -> tuple[Features, Model | None]:
        """The features of one parsed request, and the model to ask."""
        view = _NO_VIEW
        if not self.schema.required <= request.keys():
            (view,) = await self._look_up([request])
        model = self._model_for(request)
        return self._features(request, view), model

    def ruled(self, x: Features) -> Label:
        """What the rules say where no model has anything to say."""
        said = self.use_case.rules(x)
        if said is None:
            what = f"no model of {self.use_case.name} is served yet, and it has no rules"
            if self._has_rules:
                what = f"neither a model of {self.use_case.name} nor its rules have anything to say to this yet"
            raise busy("There is no model yet", what)
        return said

    async def answers(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers to several, all of a shard by the same model, with one look-up for all keys."""
        missing = [at for at, request in enumerate(requests) if not self.schema.required <= request.keys()]
        views = dict(zip(missing, await self._look_up([requests[at] for at in missing]), strict=True))
        models = [self._model_for(request) for request in requests]  # nothing is swapped in between
        names = [request.pop("id", None) for request in requests]
        return [
            self._answer(self._features(request, views.get(at, _NO_VIEW)), models[at], names[at])
            for at, request in enumerate(requests)
        ]

    def _features(self, request: dict[str, Any], view: Mapping[str, float | str]) -> Features:
        try:
            return self.use_case.features(request, view)
        except BadRecord as error:
            raise Problem(422, "The request is not valid", str(error)) from None

    def _answer(self, x: Features, model: Model | None, name: str | None) -> dict[str, Any]:
        prediction = model.ask(x) if model is not None else Prediction(None)
        if model is None or prediction.value is None:
            return self._by_the_rules(x, name)
        self.count["model"]()
        return {
            "prediction": prediction.value,
            "probabilities": prediction.probabilities,
            "source": "model",
            "id": name,
            **interval_facts(model, prediction),
            "model": self.model_facts(model),
            **self.use_case.explain(x, prediction.value),
        }

    def model_facts(self, model: Model) -> dict[str, Any]:
        """What every answer tells of its model."""
        pointer = model.pointer
        return {
            "candidate": pointer.candidate,
            "snapshot": pointer.snapshot,
            "version": model.pinned or self._version_of(model.object),
            "learned": pointer.learned,
            "age_seconds": round(max(0.0, self._clock() - model.taken_s), 3),
        }

    def _by_the_rules(self, x: Features, name: str | None) -> dict[str, Any]:
        ruled = self.ruled(x)
        self.count["rules"]()
        answer = {"prediction": ruled, "probabilities": None, "source": "rules", "id": name, "model": None}
        return answer | self.use_case.explain(x, ruled)

    async def _look_up(self, requests: Sequence[dict[str, Any]]) -> list[Mapping[str, float | str]]:
        """The views for requests that lack features."""
        if not requests:
            return []
        key = self.schema.key
        for request in requests:
            if key is None or key not in request:
                raise self._incomplete(request)
        try:
            found = await self._views.find(self.use_case.name, [request[key] for request in requests])  # type: ignore[index]
        except Unavailable as error:
            self._lookups["failed"].inc()
            what = f"the features of {key} cannot be looked up now: {error}; requests with all features are answered"
            raise busy("Features cannot be looked up", what) from None
        views: list[Mapping[str, float | str]] = []
        for request, stored in zip(requests, found, strict=True):
            self._lookups["unknown" if stored is None else "found"].inc()
            if stored is None:
                self._check_unknown(request)
            views.append(_NO_VIEW if stored is None else stored.view)
        self._note_age(max((stored.event_time for stored in found if stored is not None), default=None))
        return views

    @property
    def _has_rules(self) -> bool:
        return type(self.use_case).rules is not UseCase.rules

    def _check_unknown(self, request: dict[str, Any]) -> None:
        """A key of which nothing is known is answered where what is sent is enough: in training it is, too."""
        try:
            x = self.use_case.features(request, _NO_VIEW)
            enough = not self._has_rules or self.use_case.rules(x) is not None
        except BadRecord:
            enough = False
        if not enough:
            what = f"nothing is known of {self.schema.key} {request[self.schema.key or '']!r}"
            raise Problem(404, "This key is not known", f"{what}: send {self._names(request)} with it")

    def _note_age(self, event_time_us: int | None) -> None:
        """How old the features are for the model that uses them."""
        model = self.model
        if event_time_us is not None and model is not None and model.event_time_s is not None:
            self._feature_age.set(max(0.0, model.event_time_s - event_time_us / 1e6))

    def _incomplete(self, request: dict[str, Any]) -> Problem:
        instead = f", or {self.schema.key} alone" if self.schema.key else ""
        wanted = f"wanted {', '.join(self.schema.order)}{instead}"
        return Problem(422, "The request is not valid", f"{self._names(request)} missing; {wanted}")

    def _names(self, request: dict[str, Any]) -> str:
        return ", ".join(name for name in self.schema.order if name not in request)


def interval_facts(model: Model, prediction: Prediction) -> dict[str, Any]:
    """The interval of a prediction that has one, and how often the answer is expected inside it."""
    if prediction.interval is None:
        return {}
    low, high = prediction.interval
    return {"interval": {"low": low, "high": high, "confidence": model.confidence}}
