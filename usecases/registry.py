"""Which use cases there are: the project's own, and those that HEADRACE_USE_CASES names."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from streaming.errors import HeadraceError, WrongUsage
from streaming.settings import Settings
from streaming.topics import Topic
from streaming.usecase import UseCase

BUILT_IN = ("usecases.telecom.plan", "usecases.telecom.churn")


def load_use_cases(settings: Settings) -> dict[str, UseCase]:
    """Every use case by name; a mistake in a file is a sentence with file, line and what was wanted."""
    found: dict[str, UseCase] = {}
    for module in BUILT_IN:
        _add(found, importlib.import_module(module), settings)
    for source in filter(None, (part.strip() for part in settings.use_cases.split(","))):
        _add(found, _load(source), settings)
    _check_topics(found)
    return found


def pick(use_cases: dict[str, UseCase], name: str) -> UseCase:
    """The use case of this name, or a sentence that lists those there are."""
    try:
        return use_cases[name]
    except KeyError:
        raise WrongUsage(f"unknown use case {name!r}; there are {', '.join(sorted(use_cases))}") from None


def topics_of(use_cases: dict[str, UseCase]) -> dict[str, Topic]:
    """Every declared topic by name."""
    return {topic.name: topic for use_case in use_cases.values() for topic in use_case.topics}


def modules_of(use_case: UseCase) -> list[ModuleType]:
    """The modules whose classes and functions its state may hold.

    They are its own, its profile's, those of its domain, and what its own module has imported from `usecases`.
    """
    classes = [cls for cls in type(use_case).__mro__ if issubclass(cls, UseCase) and cls is not UseCase]
    own = {cls.__module__ for cls in classes} | {getattr(type(use_case).profile, "__module__", "")}
    domains = tuple(
        f"{name.rpartition('.')[0]}." for name in own if name.startswith("usecases.") and name.count(".") > 1
    )
    values = [value for name in own & sys.modules.keys() for value in vars(sys.modules[name]).values()]
    used = {str(getattr(value, "__module__", "")) for value in values} - {__name__}
    own |= {name for name in used if name.startswith("usecases.")}
    return [module for name, module in list(sys.modules.items()) if name in own or name.startswith(domains)]


def _load(source: str) -> ModuleType:
    if not source.endswith(".py"):
        try:
            return importlib.import_module(source)
        except Exception as error:  # noqa: BLE001  # a user's module may raise anything
            raise HeadraceError(f"HEADRACE_USE_CASES: {_where(error, source)}") from None
    path = Path(source).expanduser().resolve()
    if not path.is_file():
        raise HeadraceError(f"HEADRACE_USE_CASES: there is no file {source}")
    # One name per file name, so that a pickled profile finds its class again after a restart.
    name = f"headrace_use_case_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HeadraceError(f"HEADRACE_USE_CASES: {source} cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) != str(path):
        raise HeadraceError(f"HEADRACE_USE_CASES: two files are named {path.name}; rename one")
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001  # a user's file may raise anything
        raise HeadraceError(f"HEADRACE_USE_CASES: {_where(error, str(path))}") from None
    return module


def _where(error: Exception, source: str) -> str:
    """The mistake with the last line inside the user's own file."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    place = f"{source}:{lines[-1].lineno}" if lines else source
    return f"{place}: {type(error).__name__}: {error}"


def _add(found: dict[str, UseCase], module: ModuleType, settings: Settings) -> None:
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, UseCase) and value.__module__ == module.__name__
    ]
    where = module.__file__ or module.__name__
    if not classes:
        raise HeadraceError(f"{where}: no class derived from streaming.usecase.UseCase is defined here")
    for cls in classes:
        place = f"{where}:{_line(cls)}"
        if cls.name in found:
            raise HeadraceError(f"{place}: the name {cls.name!r} is taken by {type(found[cls.name]).__module__}")
        _check(cls, place)
        found[cls.name] = cls.configured(settings)


def _line(cls: type) -> int:
    import inspect

    try:
        return inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return 0


def _check(cls: type[UseCase], place: str) -> None:
    """Refuse a declaration that could only fail later, in the middle of a stream."""

    def refuse(what: str) -> HeadraceError:
        return HeadraceError(f"{place}: {cls.__name__}{what}")

    if not cls.topics or not all(isinstance(topic, Topic) for topic in cls.topics):
        raise refuse(f".topics must be a list of Topic, got {cls.topics!r}")
    for topic in cls.topics:
        missing = {topic.key, topic.time} - set(topic.schema.__annotations__)
        if missing:
            raise refuse(f": topic {topic.name} has no field {min(missing)!r} in {topic.schema.__name__}")
    _check_handlers(cls, refuse)
    for limit in ("most_profiles", "most_open"):
        if not isinstance(getattr(cls, limit), int) or getattr(cls, limit) < 1:
            raise refuse(f".{limit} must be a whole number of at least 1, got {getattr(cls, limit)!r}")
    if not hasattr(cls, "metric"):
        raise refuse(".metric is missing: a function that makes a River metric")
    if not cls.candidates:
        raise refuse(".candidates must name at least one River model")
    _check_models(cls, refuse)


def _check_handlers(cls: type[UseCase], refuse: Any) -> None:
    declared = {topic.name for topic in cls.topics}
    for name, handlers in cls.handlers().items():
        if name not in declared:
            raise refuse(f".{handlers[0].__name__} handles {name}, which is not in .topics")
        if not handlers:
            raise refuse(f" has no method marked @on({name}), but lists that topic")


def _check_models(cls: type[UseCase], refuse: Any) -> None:
    from river import base, metrics

    from streaming.scoring import bare

    try:
        made = cls.metrics()
    except Exception as error:  # noqa: BLE001  # a user's function may raise anything
        raise refuse(f".metric or .reported cannot be made: {type(error).__name__}: {error}") from None
    for metric in made:
        if not isinstance(bare(metric), metrics.base.Metric | metrics.base.ClusteringMetric):
            raise refuse(f".metric must make a River metric, got {metric!r}")
    if bare(made[0]) is not made[0]:
        raise refuse(f".metric must be a plain metric (its window is .window), got Rolling of {made[0]!r}")
    for name, factory in cls.candidates.items():
        try:
            model = factory()
        except Exception as error:  # noqa: BLE001  # as above
            raise refuse(f".candidates[{name!r}] cannot be made: {type(error).__name__}: {error}") from None
        if not isinstance(model, base.Estimator):
            raise refuse(f".candidates[{name!r}] must make a River model, got {model!r}")
        for metric in made:
            reason = _cannot_measure(metric, model)
            if reason:
                raise refuse(f".candidates[{name!r}] {reason}")


def _cannot_measure(metric: Any, model: Any) -> str | None:
    """Why this metric cannot measure this model."""
    from streaming.asking import last_step
    from streaming.scoring import Reads, reads

    measure, last = type(metric).__name__, last_step(model)
    if reads(metric) is not Reads.CENTERS:
        return None if metric.works_with(model) else f"cannot be measured by {measure}"
    if not metric.works_with(last):
        return f"cannot be measured by {measure}"
    return None if hasattr(last, "centers") else f"tells no centers: {measure} measures by them"


def _check_topics(use_cases: dict[str, UseCase]) -> None:
    seen: dict[str, tuple[Topic, str]] = {}
    for name, use_case in use_cases.items():
        for topic in use_case.topics:
            other, owner = seen.setdefault(topic.name, (topic, name))
            if other != topic:
                raise HeadraceError(f"{name} and {owner} declare the topic {topic.name} differently")
