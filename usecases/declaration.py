"""What a use case must declare: mistakes that could only show later, in the middle of a stream, are refused at once."""

import datetime as dt
import difflib
import inspect
import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import get_type_hints, is_typeddict

from streaming import unpickle
from streaming.codec import Codec
from streaming.errors import Damaged, HeadraceError
from streaming.settings import Settings
from streaming.topics import Topic
from streaming.usecase import UseCase
from usecases import lines

Kind = type[UseCase]
RESERVED = frozenset({"use-cases"})
"""Names of the API's own addresses beside those of use cases: `/v1/use-cases` lists them."""


def check(cls: Kind) -> None:
    """Refuse a declaration in one sentence: file, line, what is wrong, what was wanted."""
    try:
        _check(cls)
    except HeadraceError:
        raise
    except Exception as error:  # noqa: BLE001  # a user's class may hold anything
        raise HeadraceError(f"{lines.of_class(cls)}: {cls.__name__} cannot be checked: {_short(error)}") from None


def configured(cls: Kind, settings: Settings) -> UseCase:
    """The use case by the settings; its own `__init__` may raise anything."""
    try:
        return cls.configured(settings)
    except HeadraceError:
        raise
    except Exception as error:  # noqa: BLE001  # see above
        place = lines.of_class(cls, "__init__")
        raise HeadraceError(f"{place}: {cls.__name__} cannot be made: {_short(error)}") from None


def _check(cls: Kind) -> None:
    _check_name(cls)
    _check_methods(cls)
    if not isinstance(cls.topics, list | tuple) or not cls.topics:
        raise _wrong(cls, "topics", f"must be a list of Topic, got {cls.topics!r}{_meant(cls, 'topics')}")
    for topic in cls.topics:
        _check_topic(cls, topic)
    _check_handlers(cls)
    _check_numbers(cls)
    _check_profile(cls)
    _check_request(cls)
    made = _check_metrics(cls)
    if not isinstance(cls.candidates, Mapping) or not cls.candidates:
        what = f"must name functions that make River models, got {cls.candidates!r}{_meant(cls, 'candidates')}"
        raise _wrong(cls, "candidates", what)
    for name in cls.candidates:
        _check_candidate(cls, name, made)


def check_stored(cls: Kind, modules: Iterable[ModuleType]) -> None:
    """Refuse models and profiles that a checkpoint could not hold, or that nobody would read back from one."""
    allowed = unpickle.allowed_names(modules)
    parts = {name: ("candidates", name, factory) for name, factory in cls.candidates.items()}
    if cls.profile is not None:
        parts["profile"] = ("profile", None, cls.profile)  # type: ignore[assignment]  # both make what is kept
    for attribute, key, make in parts.values():
        where = f"{attribute}[{key!r}]" if key else attribute
        try:
            unpickle.loads(pickle.dumps(make(), 5), allowed)
        except Damaged as error:
            wanted = "a checkpoint holds River's models and what the file itself defines"
            raise _wrong(cls, attribute, f"cannot be stored: {error}; {wanted}", key=key, shown=where) from None
        except Exception as error:  # noqa: BLE001  # pickle raises many kinds
            wanted = "functions must be defined at the top of a file, not as lambda or inside another"
            raise _wrong(cls, attribute, f"cannot be stored ({error}): {wanted}", key=key, shown=where) from None


def check_agreement(use_cases: Iterable[UseCase]) -> None:
    """Refuse two declarations of one topic that differ."""
    seen: dict[str, tuple[Topic, str]] = {}
    for use_case in use_cases:
        for topic in use_case.topics:
            other, owner = seen.setdefault(topic.name, (topic, use_case.name))
            if other != topic:
                places = [lines.of_call(one, topic.name) for one in (topic, other)]
                here = places[0] or lines.of_class(type(use_case), "topics")
                there = f" ({places[1]})" if places[1] else ""
                raise HeadraceError(
                    f"{here}: {use_case.name} declares the topic {topic.name} differently than {owner}{there}: "
                    "import that declaration, or give the topic another name"
                )


def _wrong(cls: Kind, attribute: str, what: str, *, key: str | None = None, shown: str | None = None) -> HeadraceError:
    return HeadraceError(f"{lines.of_class(cls, attribute, key)}: {cls.__name__}.{shown or attribute} {what}")


def _meant(cls: Kind, attribute: str) -> str:
    """What stands in the class under a name like that, where the attribute itself does not."""
    own = [name for name in vars(cls) if name not in dir(UseCase)]
    alike = [] if attribute in vars(cls) else difflib.get_close_matches(attribute, own, n=1, cutoff=0.75)
    return f" (there is {cls.__name__}.{alike[0]}: is {attribute} meant?)" if alike else ""


def _check_name(cls: Kind) -> None:
    if not isinstance(cls.name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", cls.name):
        raise _wrong(cls, "name", f"must be letters, digits and hyphens, got {cls.name!r}")
    if cls.name in RESERVED:
        raise _wrong(cls, "name", f"must not be {cls.name!r}: /v1/{cls.name} is an address of the API's own")


def _check_methods(cls: Kind) -> None:
    """`metrics = (…)` would hide a method that everybody calls."""
    for name in ("handlers", "metrics", "configured", "features", "rules", "explain"):
        if not callable(getattr(cls, name)):
            raise _wrong(cls, name, f"must be a method, got {getattr(cls, name)!r}: choose another name for it")


def _check_topic(cls: Kind, topic: Any) -> None:
    if not isinstance(topic, Topic):
        raise _wrong(cls, "topics", f"must be a list of Topic, got {topic!r} in it")
    place = lines.of_call(topic, topic.name) or lines.of_class(cls, "topics")

    def wrong(what: str) -> HeadraceError:
        return HeadraceError(f"{place}: the topic {topic.name} {what}")

    if not isinstance(topic.name, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic.name):
        raise HeadraceError(f"{place}: a topic's name must be letters, digits, dots and hyphens, got {topic.name!r}")
    if not is_typeddict(topic.schema):
        raise wrong(f"wants a TypedDict as its schema, got {topic.schema!r}")
    try:
        Codec(topic)
        hints = get_type_hints(topic.schema)
    except Exception as error:  # noqa: BLE001  # pydantic and typing raise many kinds
        raise wrong(f"has a schema that cannot be checked: {_short(error)}") from None
    for what, field in (("key", topic.key), ("event time", topic.time)):
        if field not in hints:
            raise wrong(f"has its {what} in {field!r}, but {topic.schema.__name__} has only {', '.join(hints)}")
    if not isinstance(topic.max_jump, dt.timedelta) or topic.max_jump <= dt.timedelta(0):
        raise wrong(f"wants a timedelta above 0 as its max_jump, got {topic.max_jump!r}")
    time = hints[topic.time]
    if isinstance(time, type) and (time is bool or not issubclass(time, dt.date | int | float)):
        raise wrong(f"wants a datetime, a date or seconds as its event time, but {topic.time!r} is {time.__name__}")


def _check_handlers(cls: Kind) -> None:
    declared = [topic.name for topic in cls.topics]
    found = cls.handlers()
    for name, handlers in found.items():
        for handler in handlers:
            called: Any = handler
            if name not in declared:
                raise _wrong(cls, called.__name__, f"handles {name}, which is not in .topics ({', '.join(declared)})")
            try:
                inspect.signature(called).bind(None, None, None)
            except TypeError:
                got = inspect.signature(called)
                raise _wrong(cls, called.__name__, f"must take (self, event, profile), got {got}") from None
    for name in declared:
        if not found[name]:
            raise _wrong(cls, "topics", f"lists {name}, but no method is marked @on that topic")


def _check_numbers(cls: Kind) -> None:
    for limit in ("most_profiles", "most_open", "window"):
        value = getattr(cls, limit)
        if not isinstance(value, int) or value < 1:
            raise _wrong(cls, limit, f"must be a whole number of at least 1, got {value!r}")
    for span in ("horizon", "remember"):
        value = getattr(cls, span)
        if not (isinstance(value, dt.timedelta) and value > dt.timedelta(0)) and (
            span == "horizon" or value is not None
        ):
            raise _wrong(cls, span, f"must be a timedelta above 0, got {value!r}")


def _check_profile(cls: Kind) -> None:
    if cls.profile is None:
        return
    if not callable(cls.profile):
        raise _wrong(cls, "profile", f"must be a class, got {cls.profile!r}")
    profile = _made(cls, "profile", cls.profile)
    if not callable(getattr(profile, "view", None)):
        raise _wrong(cls, "profile", f"must have a method view(), which {type(profile).__name__} has not")


def _check_request(cls: Kind) -> None:
    if cls.request is None:
        return
    if not is_typeddict(cls.request):
        raise _wrong(cls, "request", f"must be a TypedDict, got {cls.request!r}")
    try:
        TypeAdapter(cls.request).json_schema()
    except Exception as error:  # noqa: BLE001  # pydantic and typing raise many kinds
        raise _wrong(cls, "request", f"cannot be checked: {_short(error)}") from None
    if cls.features is UseCase.features:
        raise _wrong(cls, "request", "wants a method features(self, event, view), which makes x of a request")


def _check_metrics(cls: Kind) -> list[Any]:
    from river import metrics

    from streaming.scoring import bare

    if not hasattr(cls, "metric"):
        wanted = f"a function that makes a River metric, as `metric = metrics.MAE`{_meant(cls, 'metric')}"
        raise _wrong(cls, "metric", f"is missing: {wanted}")
    if not isinstance(cls.reported, list | tuple):
        wanted = "a list of functions that make metrics, as `reported = (metrics.RMSE,)`"
        raise _wrong(cls, "reported", f"must be {wanted}, got {cls.reported!r}")
    made, kinds = [], (metrics.base.Metric, metrics.base.ClusteringMetric)
    for attribute, make in [("metric", cls.metric), *(("reported", one) for one in cls.reported)]:
        if isinstance(make, kinds):
            raise _wrong(
                cls, attribute, f"must be a function that makes a metric, got one: leave () off {_class(make)}"
            )
        metric = _made(cls, attribute, make)
        if not isinstance(bare(metric), kinds):
            raise _wrong(cls, attribute, f"must make a River metric, got {metric!r}")
        made.append(metric)
    if bare(made[0]) is not made[0]:
        raise _wrong(
            cls, "metric", f"must be a plain metric (its window is .window), got Rolling of {_class(made[0].obj)}"
        )
    return made


def _check_candidate(cls: Kind, name: Any, made: list[Any]) -> None:
    from river import base

    def wrong(what: str) -> HeadraceError:
        return _wrong(cls, "candidates", what, key=name, shown=f"candidates[{name!r}]")

    factory = cls.candidates[name]
    if not isinstance(name, str) or not name:
        raise wrong("must have a name, as text")
    if isinstance(factory, base.Base):
        raise wrong("must be a function that makes a model, got a model: put lambda: before it")
    model = _made(cls, "candidates", factory, key=name)
    if not isinstance(model, base.Estimator):
        raise wrong(f"must make a River model, got {model!r}")
    if factory() is model:
        raise wrong("must make a new model each time, got the same one twice")
    for metric in made:
        reason = _cannot_measure(metric, model)
        if reason:
            raise wrong(reason)


def _cannot_measure(metric: Any, model: Any) -> str | None:
    """Why this metric cannot measure this model."""
    from streaming.asking import last_step
    from streaming.scoring import Reads, bare, reads

    measure, last = _class(bare(metric)), last_step(model)
    if reads(metric) is not Reads.CENTERS:
        return None if metric.works_with(model) else f"cannot be measured by {measure}: it is {_class(last)}"
    if not metric.works_with(last):
        return f"cannot be measured by {measure}: it is {_class(last)}"
    return None if hasattr(last, "centers") else f"tells no centers: {measure} measures by them"


def _made(cls: Kind, attribute: str, make: Callable[[], Any], key: str | None = None) -> Any:
    """What a user's function makes, which may raise anything."""
    shown = f"{attribute}[{key!r}]" if key else attribute
    if not callable(make):
        raise _wrong(cls, attribute, f"must be a function without arguments, got {make!r}", key=key, shown=shown)
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # see above
        raise _wrong(cls, attribute, f"cannot be made: {_short(error)}", key=key, shown=shown) from None


def _class(thing: Any) -> str:
    return type(thing).__name__


def _short(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
