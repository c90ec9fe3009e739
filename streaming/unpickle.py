"""Reads pickles through an exact allow-list, so that a stored object can hold models and state but never run code.

The classes of River are listed at build time (`python -m streaming.unpickle` writes `river_classes.txt`); what models
need outside River, and the few functions inside it, is named here; use-case files add what they define themselves.
"""

import importlib
import inspect
import io
import pickle
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from streaming.errors import Damaged

Name = tuple[str, str]

_LIST = Path(__file__).with_name("river_classes.txt")
# Packages of River whose classes read files, open sockets or serve tests only.
_LEFT_OUT = frozenset({"datasets", "stream", "checks", "compat", "evaluate", "test"})

# What models need outside River, and the functions, static methods and inner classes that River's own models keep:
# each one exactly, dots and all.
_NAMED: dict[str, str] = {
    "builtins": "bool bytearray bytes complex dict float frozenset int iter list object range set slice str tuple",
    "collections": "Counter OrderedDict defaultdict deque",
    "copy": "deepcopy",
    "copyreg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "functools": "partial",
    "numpy": "array dtype ndarray ones",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "pydantic_core._pydantic_core": "TzInfo",  # of the moments that events hold
    "random": "Random",
    "statistics": "NormalDist",
    "river._river_rust.stats": (
        "RsEWMean RsEWVar RsIQR RsKurtosis RsPeakToPeak RsQuantile RsRollingIQR RsRollingQuantile RsSkew"
    ),
    "river._river_rust.vectordict": "euclidean_distance_dict euclidean_distance_tuple",
    "river.cluster.denstream": "DenStream.BufferItem",
    "river.cluster.textclust": "TextClust.Distances TextClust.MicroCluster",
    "river.feature_extraction.vectorize": "strip_accents_unicode tokenize_using_regex_pattern",
    "river.forest.online_extra_trees": "ExtraTrees._detection_mode_all",
    "river.metrics.mutual_info": "_average_arithmetic",
    "river.naive_bayes.gaussian": "GaussianNB._make_gaussian",
    "river.tree.splitter.ebst_splitter": "EBSTNode._update_estimator_univariate",
    "river.tree.splitter.nominal_splitter_reg": "NominalSplitterReg._update_estimator_univariate",
    "river.utils.math": "minkowski_distance",
}
# Bound methods outside River. Not just any: an array, for one, writes itself into files.
_METHODS = {("builtins", "str", "lower"), ("random", "Random", "gauss")}
_OUTSIDE = frozenset(module for module in _NAMED if not module.startswith("river."))


def allowed_names(modules: Iterable[ModuleType] = ()) -> frozenset[Name]:
    """River's classes, the named few, and the classes and module-level functions that `modules` define."""
    river = {tuple(line.split(" ")) for line in _LIST.read_text().splitlines()}
    own = {
        (module.__name__, name)
        for module in modules
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and value.__qualname__ == name
    }
    named = {(module, name) for module, names in _NAMED.items() for name in names.split()}
    return frozenset(named | river | own)  # type: ignore[arg-type]  # each line of the list is a pair


def loads(body: bytes, allowed: frozenset[Name]) -> Any:
    """Unpickle; `Damaged` names the first global that is not allowed, before anything of it is imported."""
    try:
        return _Unpickler(body, allowed).load()
    except Damaged:
        raise
    except Exception as error:  # noqa: BLE001  # a pickle that is not ours may fail in any way
        raise Damaged(f"the pickle cannot be read ({type(error).__name__}: {error})") from None


class _Unpickler(pickle.Unpickler):
    def __init__(self, body: bytes, allowed: frozenset[Name]) -> None:
        super().__init__(io.BytesIO(body))
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return self._method
        if (module, name) not in self._allowed:
            raise Damaged(f"the pickle asks for {module}.{name}, which is not on the allow-list")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def _method(self, owner: Any, name: str) -> Any:
        """Bound methods are pickled as `getattr(owner, name)`: plain methods of River's and the use case's classes."""
        cls = owner if isinstance(owner, type) else type(owner)
        where = cls.__module__, cls.__qualname__
        known = (*where, name) in _METHODS or (where in self._allowed and cls.__module__ not in _OUTSIDE)
        # As the class defines it: some of River's objects pass questions on to what is inside them.
        plain = not name.startswith("__") and inspect.isroutine(inspect.getattr_static(cls, name, None))
        if not known or not plain:
            raise Damaged(f"the pickle asks for {'.'.join(where)}.{name}, which is not on the allow-list")
        return getattr(owner, name)


def river_classes() -> list[Name]:
    """Every class that the installed River defines, apart from the packages left out."""
    import river

    found: set[Name] = set()
    for info in pkgutil.walk_packages(river.__path__, "river."):
        parts = info.name.split(".")
        if not _LEFT_OUT.isdisjoint(parts) or any(part.startswith("test") for part in parts):
            continue
        try:
            module = importlib.import_module(info.name)
        except ModuleNotFoundError:
            continue  # a bridge to a library that is not installed
        found |= {
            (value.__module__, value.__qualname__)
            for value in vars(module).values()
            if inspect.isclass(value) and value.__module__.startswith("river.") and "." not in value.__qualname__
        }
    return sorted(name for name in found if _LEFT_OUT.isdisjoint(name[0].split(".")))


if __name__ == "__main__":
    _LIST.write_text("".join(f"{module} {name}\n" for module, name in river_classes()))
