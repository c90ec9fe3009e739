"""The columns of an archived topic: from the event schema to Polars and Delta, from events to a data frame."""

import enum
import types
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Required, Union, get_args, get_origin
from uuid import UUID

import orjson
import polars as pl
from typing_extensions import ReadOnly, get_type_hints, is_typeddict

from streaming.codec import to_us
from streaming.errors import HeadraceError
from streaming.topics import Topic
from streaming.usecase import Event

OWN = pl.Schema(
    {
        "_topic_id": pl.String(),
        "_partition": pl.Int32(),
        "_offset": pl.Int64(),
        "_kafka_time": pl.Datetime("us", "UTC"),
        "_date": pl.Date(),
    }
)
"""What the archive adds to the event's fields; `_date` is the UTC date of `_kafka_time` and divides the table."""
PARTITIONED_BY = "_date"
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, where calendars stop
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_PLAIN: dict[Any, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    bytes: pl.Binary(),
}
_WRAPPERS = (Annotated, Required, NotRequired, ReadOnly)

Values = Sequence[Any]


class Column(NamedTuple):
    """One field: its type in the table, and how its values become that type."""

    name: str
    dtype: pl.DataType
    series: Callable[[str, Values], pl.Series]


class Places(NamedTuple):
    """Where records stand: three values for each, in lists."""

    partitions: list[int]
    offsets: list[int]
    times_ms: list[int]
    """Kafka's time."""


class Columns:
    """All columns of one topic's table."""

    def __init__(self, topic: Topic) -> None:
        """Derive them from the topic's schema; names that a table cannot hold are refused."""
        hints = get_type_hints(topic.schema, include_extras=True)
        _check_names(topic.name, hints)
        self._columns = [_column(name, hint) for name, hint in hints.items()]
        self.schema = pl.Schema({column.name: column.dtype for column in self._columns} | dict(OWN))
        self._required: frozenset[str] = getattr(topic.schema, "__required_keys__", frozenset(hints))

    def frame(self, events: Sequence[Event], topic_id: str, places: Places) -> pl.DataFrame:
        """The rows of these events.

        Raises whatever Python or Polars say of a value that its column cannot hold.
        """
        series = [column.series(column.name, self._values(column.name, events)) for column in self._columns]
        moments = pl.Series("_kafka_time", places.times_ms, dtype=pl.Int64).clip(0, _LAST_MS) * 1000
        moments = moments.cast(OWN["_kafka_time"])
        return pl.DataFrame(
            [
                *series,
                pl.repeat(topic_id, len(events), eager=True).alias("_topic_id"),
                pl.Series("_partition", places.partitions, dtype=pl.Int32),
                pl.Series("_offset", places.offsets, dtype=pl.Int64),
                moments,
                moments.dt.date().alias("_date"),
            ]
        )

    def _values(self, name: str, events: Sequence[Event]) -> Values:
        if name in self._required:
            return [event[name] for event in events]
        return [event.get(name) for event in events]


def _check_names(topic: str, fields: dict[str, Any]) -> None:
    taken = dict.fromkeys(OWN, "the archive's own columns")
    for name in fields:
        if name.lower() in taken:
            raise HeadraceError(f"{topic}: the field {name} cannot be archived beside {taken[name.lower()]}")
        taken[name.lower()] = f"the field {name}, since tables do not tell capitals from small letters"


def _column(name: str, hint: Any) -> Column:
    """Plain values, dates and moments as they are, as are lists and records of plain ones; the rest as JSON."""
    hint = _unwrapped(hint)
    plain = _plain(hint)
    if plain is not None:
        return Column(name, plain, lambda name, values: pl.Series(name, values, dtype=plain))
    if hint is datetime:
        return Column(name, pl.Datetime("us", "UTC"), _moments)
    if hint is date:
        return Column(name, pl.Date(), _dates)
    if hint in (Decimal, UUID):
        return Column(name, pl.String(), _texts)
    if isinstance(hint, type) and issubclass(hint, enum.Enum) and all(isinstance(one.value, str) for one in hint):
        return Column(name, pl.String(), _members)
    return Column(name, pl.String(), _json)


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
        fields = {name: _plain(_unwrapped(field)) for name, field in get_type_hints(hint, include_extras=True).items()}
        return pl.Struct({name: kind for name, kind in fields.items() if kind}) if all(fields.values()) else None
    return None


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


def _moments(name: str, values: Values) -> pl.Series:
    micros = [None if value is None else to_us(value) for value in values]
    return pl.Series(name, micros, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))


def _dates(name: str, values: Values) -> pl.Series:
    days = [None if value is None else value.toordinal() - _EPOCH_DAY for value in values]
    return pl.Series(name, days, dtype=pl.Int32).cast(pl.Date)


def _texts(name: str, values: Values) -> pl.Series:
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _json(name: str, values: Values) -> pl.Series:
    texts = [None if value is None else orjson.dumps(value, default=str).decode() for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _members(name: str, values: Values) -> pl.Series:
    return _texts(name, [None if value is None else value.value for value in values])
