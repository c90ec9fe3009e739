"""One field of an event as a column of its table: the type, and both ways between values and columns."""

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Required, Union, get_args, get_origin
from uuid import UUID

import polars as pl
from pydantic import TypeAdapter
from pydantic_core import TzInfo
from typing_extensions import ReadOnly, get_type_hints, is_typeddict

from streaming.codec import to_us

NAIVE = "naive"
"""Stands for a moment without a zone."""
NULL = "null"
"""Stands for a field that was null, where null alone would mean that it was missing."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # moments without a zone begin there too
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_US = timedelta(microseconds=1)
_UTC = TzInfo(0)
_PLAIN: dict[Any, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    bytes: pl.Binary(),
}
_WRAPPERS = (Annotated, Required, NotRequired, ReadOnly)

Values = Sequence[Any]
Aside = str | int | None
"""What a column cannot say of one value: the seconds of its zone, `NAIVE`, `NULL`; None where it says it all."""


class Column(NamedTuple):
    """One field: its type in the table, how its values become that type, and how they come back equal."""

    name: str
    dtype: pl.DataType
    series: Callable[[str, Values], pl.Series]
    values: Callable[[pl.Series, Mapping[int, Aside]], Values]
    """Takes the column and, by row, what it cannot say."""
    asides: Callable[[Values], Sequence[Aside]] | None = None
    """What the column cannot say of each value; None: it says everything."""
    nullable: bool = False
    """The field may be null."""


def column_of(name: str, hint: Any) -> Column:
    """Plain values, dates and moments as they are, as are lists and records of plain ones; the rest as JSON."""
    return _column(name, _unwrapped(hint))._replace(nullable=_nullable(hint))


def _column(name: str, hint: Any) -> Column:
    plain = _plain(hint)
    if plain is not None:
        return Column(name, plain, partial(_as_it_is, plain), _records(hint))
    if hint is datetime:
        return Column(name, pl.Datetime("us", "UTC"), _moments, _datetimes, _zones)
    if hint is date:
        return Column(name, pl.Date(), _dates, _listed)
    if hint in (Decimal, UUID):
        return Column(name, pl.String(), _texts, partial(_each, hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum) and all(isinstance(one.value, str) for one in hint):
        return Column(name, pl.String(), _members, partial(_each, hint))
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    return Column(name, pl.String(), partial(_json, adapter), partial(_each, partial(_from_json, adapter)))


def _plain(hint: Any) -> pl.DataType | None:
    """The type of a column that takes Python values as they are; None when there is no such type."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) is Literal:
        kinds = {type(value) for value in get_args(hint)}
        return _PLAIN.get(kinds.pop()) if len(kinds) == 1 else None
    if get_origin(hint) is list:
        inner = _plain(_unwrapped(get_args(hint)[0]))
        return pl.List(inner) if inner is not None else None
    if is_typeddict(hint):
        return _plain_record(hint)
    return None


def _plain_record(hint: Any) -> pl.DataType | None:
    """A struct, where null has one meaning in each of its fields."""
    fields = get_type_hints(hint, include_extras=True)
    if not fields or any(name not in hint.__required_keys__ and _nullable(field) for name, field in fields.items()):
        return None
    kinds = {name: _plain(_unwrapped(field)) for name, field in fields.items()}
    return pl.Struct({name: kind for name, kind in kinds.items() if kind}) if all(kinds.values()) else None


def _unwrapped(hint: Any) -> Any:
    """The type itself: every column may be null, so what says `or None` says nothing new."""
    while True:
        if get_origin(hint) in _WRAPPERS:
            hint = get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif get_origin(hint) in (Union, types.UnionType) and len(kept := set(get_args(hint)) - {type(None)}) == 1:
            hint = kept.pop()
        else:
            return hint


def _nullable(hint: Any) -> bool:
    """Whether None satisfies the type."""
    while get_origin(hint) in _WRAPPERS or hasattr(hint, "__supertype__"):
        hint = hint.__supertype__ if hasattr(hint, "__supertype__") else get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        return any(_nullable(one) for one in get_args(hint))
    return hint in (None, type(None), Any, object) or (get_origin(hint) is Literal and None in get_args(hint))


def _as_it_is(dtype: pl.DataType, name: str, values: Values) -> pl.Series:
    return pl.Series(name, values, dtype=dtype)


def _records(hint: Any) -> Callable[[pl.Series, Mapping[int, Aside]], Values]:
    """Records that may lack a field come back without it."""
    lacking = _without_missing(hint)
    return _listed if lacking is None else partial(_each, lacking)


def _without_missing(hint: Any) -> Callable[[Any], Any] | None:
    """What takes the nulls of missing fields out of a plain value of this type; None: there are none."""
    hint = _unwrapped(hint)
    if get_origin(hint) is list:
        inner = _without_missing(get_args(hint)[0])
        return None if inner is None else lambda values: [one if one is None else inner(one) for one in values]
    if not is_typeddict(hint):
        return None
    optional = frozenset(hint.__optional_keys__)
    fields = {name: _without_missing(field) for name, field in get_type_hints(hint, include_extras=True).items()}
    deeper = {name: field for name, field in fields.items() if field is not None}
    if not optional and not deeper:
        return None

    def without(record: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in record.items() if value is not None or name not in optional}
        return {
            name: deeper[name](value) if name in deeper and value is not None else value for name, value in kept.items()
        }

    return without


def _moments(name: str, values: Values) -> pl.Series:
    micros = [None if value is None else to_us(value) for value in values]
    return pl.Series(name, micros, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))


def _datetimes(series: pl.Series, asides: Mapping[int, Aside]) -> Values:
    """Moments in the zones that their events gave: most often UTC."""
    micros = series.cast(pl.Int64).to_list()
    if not asides:
        return [None if us is None else _moment(us, None) for us in micros]
    return [None if us is None else _moment(us, asides.get(row)) for row, us in enumerate(micros)]


def _moment(us: int, aside: Aside) -> datetime:
    if aside == NAIVE:
        return _EPOCH + us * _US
    if isinstance(aside, int):
        return (_EPOCH + (us + aside * 1_000_000) * _US).replace(tzinfo=TzInfo(aside))
    return (_EPOCH + us * _US).replace(tzinfo=_UTC)


def _zones(values: Values) -> Sequence[Aside]:
    return [None if value is None else _zone(value) for value in values]


def _zone(value: datetime) -> Aside:
    offset = value.utcoffset()
    return NAIVE if offset is None else round(offset.total_seconds()) or None


def _dates(name: str, values: Values) -> pl.Series:
    days = [None if value is None else value.toordinal() - _EPOCH_DAY for value in values]
    return pl.Series(name, days, dtype=pl.Int32).cast(pl.Date)


def _texts(name: str, values: Values) -> pl.Series:
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _json(adapter: TypeAdapter[Any], name: str, values: Values) -> pl.Series:
    texts = [None if value is None else adapter.dump_json(value, warnings="none").decode() for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _from_json(adapter: TypeAdapter[Any], text: str) -> Any:
    return adapter.validate_json(text, strict=True)


def _members(name: str, values: Values) -> pl.Series:
    return _texts(name, [None if value is None else value.value for value in values])


def _listed(series: pl.Series, _asides: Mapping[int, Aside]) -> Values:
    return series.to_list()


def _each(make: Callable[[Any], Any], series: pl.Series, _asides: Mapping[int, Aside]) -> Values:
    return [None if value is None else make(value) for value in series.to_list()]
