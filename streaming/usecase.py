"""What a use case declares: topics, profile, features, questions and answers, metric, candidates."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeAlias

from streaming.errors import BadRecord, HeadraceError
from streaming.topics import Topic

if TYPE_CHECKING:
    from streaming.settings import Settings

Event: TypeAlias = dict[str, Any]
Features: TypeAlias = dict[str, Any]
View: TypeAlias = Mapping[str, float | str]
Label: TypeAlias = bool | int | float | str


class Profile(Protocol):
    """The state of one key, kept in the checkpoint; made by calling its class without arguments."""

    def view(self) -> dict[str, float | str]:
        """The flat numbers and strings that features may read."""


class Question(NamedTuple):
    """A prediction is due for `key`; `x` is frozen here. Without an id: `<use case>/<key>/<event time>`."""

    key: str
    x: Features
    id: str | None = None


class Answer(NamedTuple):
    """The label `y` of the question with this id or, with a key instead, of every open question of that key."""

    y: Label
    id: str | None = None
    key: str | None = None


class Example(NamedTuple):
    """Question and answer at once (or `x` alone for clustering, with `y` left out)."""

    key: str
    x: Features
    y: Label | None = None
    id: str | None = None


Outcome: TypeAlias = Question | Answer | Example
Handler: TypeAlias = Callable[[Any, Event, Any], Iterable[Outcome] | None]


def on(topic: Topic) -> Callable[[Handler], Handler]:
    """Mark a method `(self, event, profile)` as a handler of the topic's events."""
    if not isinstance(topic, Topic):
        raise HeadraceError(f"@on takes a Topic, got {topic!r}")

    def mark(handler: Handler) -> Handler:
        handler.topic = topic  # type: ignore[attr-defined]
        return handler

    return mark


def given(names: Iterable[str], event: Event, view: View | None = None) -> Features:
    """The named features, each from the event or request that has it, else from the view of its key, if it has one.

    >>> given(("km", "usual_km"), {"km": 3.0, "shop": "A"}, {"usual_km": 2.5})
    {'km': 3.0, 'usual_km': 2.5}
    """
    try:
        return {name: event[name] if name in event else (view or {})[name] for name in names}
    except KeyError as missing:
        beside = "" if view is None else ", and nothing is known of its key"
        raise BadRecord(f"{missing.args[0]} is missing{beside}") from None


class UseCase:
    """What to learn, in one class; its methods are pure apart from the profile that a handler may change."""

    name: ClassVar[str] = ""
    """Words with hyphens; from the class name when left out."""
    topics: ClassVar[Sequence[Topic]] = ()
    """Topics with answers first: at one moment an answer is heard before a question is asked."""
    profile: ClassVar[Callable[[], Profile] | None] = None
    request: ClassVar[type | None] = None
    """What a client may send for a prediction: a `TypedDict` with pydantic constraints. None: the API takes none."""
    metric: ClassVar[Callable[[], Any]]
    """Makes the metric that chooses the champion (River's `bigger_is_better` gives the direction)."""
    reported: ClassVar[Sequence[Callable[[], Any]]] = ()
    """Make the metrics that are reported beside it."""
    window: ClassVar[int] = 2_000
    """Answers in the rolling window."""
    candidates: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    horizon: ClassVar[timedelta] = timedelta(days=30)
    """How long after asking an answer still counts."""
    unanswered: ClassVar[Label | None] = None
    """The answer to a question whose horizon has passed; None: it is dropped and counted as expired."""
    remember: ClassVar[timedelta | None] = None
    """How long an answered id is remembered (event time); None: the horizon, at least one day."""
    most_profiles: ClassVar[int] = 1_000_000
    """Keys of a learner whose profile is kept; beyond it the one that was touched longest ago goes."""
    most_open: ClassVar[int] = 1_000_000
    """Questions that wait for their answer; beyond it the one whose horizon ends first expires, and teaches nothing.

    As many answers may wait for their question.
    """
    sharded: ClassVar[bool] = False
    learn_from_api: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__dict__.get("name"):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def configured(cls, settings: "Settings") -> "UseCase":  # noqa: ARG003  # most have no settings of their own
        """The use case by the settings: what the registry makes of the class."""
        return cls()

    @classmethod
    def handlers(cls) -> dict[str, list[Handler]]:
        """Handlers by topic name, in the order of their definition, base classes first."""
        found: dict[str, Handler] = {}
        for base in reversed(cls.__mro__):
            found.update({name: h for name, h in vars(base).items() if isinstance(getattr(h, "topic", None), Topic)})
        by_topic: dict[str, list[Handler]] = {topic.name: [] for topic in cls.topics}
        for handler in found.values():
            by_topic.setdefault(handler.topic.name, []).append(handler)  # type: ignore[attr-defined]
        return by_topic

    @classmethod
    def metrics(cls) -> list[Any]:
        """New metrics: the one that chooses first, then those that are reported."""
        return [cls.metric(), *(make() for make in cls.reported)]

    def features(self, event: Event, view: View) -> Features:
        """The inputs of the models, from the event and the view alone: pure, used by training, replay and serving."""
        raise NotImplementedError

    def rules(self, x: Features) -> Label | None:  # noqa: ARG002  # most have none
        """The answer while no model has learned anything, from x alone: pure. None: there is no such rule."""
        return None

    def explain(self, x: Features, prediction: Any) -> dict[str, Any]:  # noqa: ARG002  # most add nothing
        """What the API's answer carries beside the prediction, by name: pure, plain JSON values."""
        return {}
