"""Which use cases there are: the project's own, and those that HEADRACE_USE_CASES names."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from streaming.errors import HeadraceError, WrongUsage
from streaming.settings import Settings
from streaming.topics import Topic
from streaming.usecase import UseCase
from usecases import declaration, lines

BUILT_IN = (
    "usecases.telecom.plan",
    "usecases.telecom.churn",
    "usecases.shop.fraud",
    "usecases.rides.eta",
    "usecases.web.interactions",
    "usecases.market.forecast",
    "usecases.cards.fair_price",
)


def load_use_cases(settings: Settings) -> dict[str, UseCase]:
    """Every use case by name; a mistake in a file is a sentence with file, line and what was wanted."""
    found: dict[str, UseCase] = {}
    for module in BUILT_IN:
        _add(found, importlib.import_module(module), settings)
    for source in _sources(settings.use_cases):
        for use_case in _add(found, _load(source), settings):
            declaration.check_stored(type(use_case), modules_of(use_case))
    declaration.check_agreement(found.values())
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


def _sources(named: str) -> list[str]:
    """The modules and files of a list; what is named twice, or is there anyway, only once."""
    parts = filter(None, (part.strip() for part in named.split(",")))
    found: dict[str | Path, str] = {}
    for part in parts:
        found.setdefault(Path(part).expanduser().resolve() if part.endswith(".py") else part, part)
    return [part for place, part in found.items() if place not in BUILT_IN]


def _load(source: str) -> ModuleType:
    if not source.endswith(".py"):
        return _import(source)
    path = Path(source).expanduser().resolve()
    if not path.is_file():
        raise HeadraceError(f"HEADRACE_USE_CASES: there is no file {source}")
    if "." in path.stem:  # pickle would look for a package
        raise HeadraceError(f"HEADRACE_USE_CASES: {source}: the file's name must have no dot before .py: rename it")
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
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a user's file may raise anything
        raise HeadraceError(f"HEADRACE_USE_CASES: {_where(error, str(path))}") from None
    return module


def _import(name: str) -> ModuleType:
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:
        spec = None
    if spec is None:
        raise HeadraceError(f"HEADRACE_USE_CASES: there is no module {name} (a path to a file ends in .py)")
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # as above
        raise HeadraceError(f"HEADRACE_USE_CASES: {_where(error, spec.origin or name)}") from None


def _where(error: BaseException, file: str) -> str:
    """The mistake with the last line inside the user's own file."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    kind = "" if isinstance(error, HeadraceError) else f"{type(error).__name__}: "
    return f"{lines.of_error(error, file)}: {kind}{error}"


def _add(found: dict[str, UseCase], module: ModuleType, settings: Settings) -> list[UseCase]:
    """Check what a module declares and keep it; tells what that is."""
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, UseCase) and value.__module__ == module.__name__
    ]
    if not classes:
        where = module.__file__ or module.__name__
        raise HeadraceError(f"{where}: no class derived from streaming.usecase.UseCase is defined here")
    for cls in classes:
        declaration.check(cls)
        if cls.name in found:
            other = lines.of_class(type(found[cls.name]))
            place = lines.of_class(cls, "name")
            raise HeadraceError(f"{place}: the name {cls.name!r} is taken by {other}: choose another with name = …")
        found[cls.name] = declaration.configured(cls, settings)
    return [found[cls.name] for cls in classes]
