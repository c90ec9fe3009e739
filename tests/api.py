"""A use case that fits on a page, its models, and an API over parts that live in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi.testclient import TestClient
from pydantic import Field
from river import linear_model, metrics
from typing_extensions import TypedDict

from serving.app import build
from serving.model import Model, Models
from serving.predictor import Predictor
from serving.records import Records
from serving.state import State
from serving.views import StoredView
from streaming.errors import BadRecord, Unavailable
from streaming.snapshots import Pointer
from streaming.topics import Topic
from streaming.usecase import UseCase
from streaming.versions import Version


class Room(TypedDict):
    """A room."""

    room: str
    day: str
    degrees: Annotated[float, Field(ge=-50, le=60)]


class Wanted(TypedDict):
    """What is asked."""

    degrees: Annotated[float, Field(ge=-50, le=60, description="°C")]


class Seen:
    """The state of a room."""

    def view(self) -> dict[str, float | str]:
        """Nothing: the tests write views."""
        return {}


class Heating(UseCase):
    """Will it be cold? Asked for each room."""

    topics = (Topic("rooms", Room, key="room", time="day"),)
    profile = Seen
    request = Wanted
    metric = metrics.LogLoss
    reported = (metrics.Accuracy,)
    candidates = {"logistic": linear_model.LogisticRegression}

    def features(self, event, view):
        """The degrees, from wherever they are known."""
        if "degrees" not in event and "degrees" not in view:
            raise BadRecord("degrees is missing")
        return {"degrees": event["degrees"] if "degrees" in event else view["degrees"]}


class Ruled(Heating):
    """The same, with rules."""

    def rules(self, x):
        """Below eighteen."""
        return x["degrees"] < 18

    def explain(self, x, prediction):
        """How far from it."""
        return {"reason": f"{x['degrees']} degrees"}


def pointer(use_case: str = "heating", epoch: int = 1, n: int = 1) -> Pointer:
    """A snapshot taken now."""
    now = datetime.now(UTC).isoformat()
    return Pointer(use_case, "0", epoch, n, "logistic", 100 * n, None, "LogLoss", 0.3, 0.2, now)


def learned(warm: bool = True) -> linear_model.LogisticRegression:
    """A model that has learned that warm rooms are (or are not) cold."""
    model = linear_model.LogisticRegression()
    for _ in range(50):
        model.learn_one({"degrees": 1.0}, warm)
    return model


def model(one: Pointer, *, warm: bool = True, pinned: int | None = None) -> Model:
    """The same as it is served."""
    return Model.of(one, learned(warm), object=one.object, pinned=pinned)


@dataclass
class FakeViews:
    """Views that a test writes; `away` like a server that does not answer."""

    known: dict[str, dict[str, float | str]] = field(default_factory=dict)
    away: bool = False
    kind: str = "fake"

    async def find(self, use_case: str, keys: Sequence[str]) -> list[StoredView | None]:
        if self.away:
            raise Unavailable("Redis does not answer (refused)")
        return [StoredView(self.known[key], 0, 1) if key in self.known else None for key in keys]

    async def close(self) -> None:
        """Nothing."""


@dataclass
class FakeOutbox:
    """Takes records, and gives them to whoever listens as Kafka would."""

    sent: list[tuple[str, str, bytes | None]] = field(default_factory=list)
    away: bool = False
    listen: Callable[[str, str, bytes | None], Any] = lambda *_: None

    async def send(self, topic: str, key: str, value: bytes | None) -> None:
        if self.away:
            raise Unavailable("Kafka at nowhere did not take the record")
        self.sent.append((topic, key, value))
        self.listen(topic, key, value)


@dataclass
class FakeVersions:
    """An MLflow with these versions and their snapshots."""

    known: list[Version] = field(default_factory=list)
    snapshots: dict[int, bytes] = field(default_factory=dict)
    away: bool = False

    def of(self, name: str) -> int | None:
        return next((version.number for version in self.known if version.object == name), None)

    def all(self, _: str) -> list[Version]:
        self._ask()
        return self.known

    def find(self, _: str, number: int) -> Version | None:
        self._ask()
        return next((version for version in self.known if version.number == number), None)

    def snapshot(self, _: str, number: int) -> bytes:
        self._ask()
        return self.snapshots[number]

    def urls(self, _: str, version: Version) -> dict[str, str]:
        return {"version_url": f"http://mlflow/{version.number}"}

    def _ask(self) -> None:
        if self.away:
            raise Unavailable("MLflow does not answer")


@dataclass
class FakeStore:
    """Objects in a dict."""

    objects: dict[str, bytes] = field(default_factory=dict)
    away: bool = False

    def get(self, name: str) -> bytes | None:
        if self.away:
            raise Unavailable(f"{name} cannot be read")
        return self.objects.get(name)

    def put_new(self, name: str, content: bytes) -> bool:
        self.objects.setdefault(name, content)
        return self.objects[name] == content

    def delete(self, name: str) -> None:
        self.objects.pop(name, None)


@dataclass
class Api:
    """An API with its fakes in reach."""

    views: FakeViews = field(default_factory=FakeViews)
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    versions: FakeVersions = field(default_factory=FakeVersions)
    store: FakeStore = field(default_factory=FakeStore)
    records: Records = field(default_factory=Records)
    models: Models = field(default_factory=dict)
    key: bytes = b"a key of the tests"
    ready: bool = True
    more: Sequence[UseCase] = ()
    """Use cases beside `heating` and `ruled`; sharded ones have three shards."""

    def __post_init__(self) -> None:
        use_cases = {one.name: one for one in (Heating(), Ruled(), *self.more)}
        predictors = {
            name: Predictor(use_case, self.models, self.views, self.versions.of, lambda: 3)
            for name, use_case in use_cases.items()
        }
        parts: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in ("views", "more")}
        parts |= {"ready": lambda: self.ready, "predictors": predictors}
        self.app = build(State(**parts))
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def serve(self, one: Model) -> None:
        """Serve this model from now on."""
        self.models[one.pointer.use_case, "0"] = one

    def problem(self, method: str, path: str, status: int, **sent: Any) -> str:
        """The detail of a refusal; the form of a problem is checked."""
        answer = self.client.request(method, path, **sent)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body.keys() == {"type", "title", "status", "detail"}
        assert body["status"] == status
        return str(body["detail"])


def routes() -> frozenset[str]:
    """Every route of the API, as its template."""
    return frozenset(getattr(route, "path", "") for route in _every(Api().app.routes))


def _every(routes: Iterable[Any]) -> Iterator[Any]:
    """Those of included routers too."""
    for route in routes:
        yield route
        yield from _every(getattr(getattr(route, "original_router", None), "routes", ()))
