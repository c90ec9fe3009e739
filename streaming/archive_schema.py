"""The columns of an archived topic: from events to the rows of its table, and from rows back to equal events."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import polars as pl
from typing_extensions import get_type_hints

from streaming.archive_column import NULL, Aside, Column, Values, column_of
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
        "_aside": pl.String(),
    }
)
"""What the archive adds to the event's fields.

`_date` is the UTC date of `_kafka_time` and divides the table. `_aside` is what the other columns cannot say of the
event, as JSON by field: the zone of a moment (seconds, or "naive" for none) unless it is UTC, and "null" where a field
that might be missing was null. It is null where there is nothing to say.
"""
PARTITIONED_BY = "_date"
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, where calendars stop


class Places(NamedTuple):
    """Where records stand: three values for each, in lists."""

    partitions: list[int]
    offsets: list[int]
    times_ms: list[int]
    """Kafka's time."""


class Unfit(NamedTuple):
    """A row of an earlier schema, which is no event of today's."""

    reason: str
    fields: Event


class Columns:
    """All columns of one topic's table."""

    def __init__(self, topic: Topic) -> None:
        """Derive them from the topic's schema; names that a table cannot hold are refused."""
        hints = get_type_hints(topic.schema, include_extras=True)
        _check_names(topic.name, hints)
        self._columns = [column_of(name, hint) for name, hint in hints.items()]
        self.schema = pl.Schema({column.name: column.dtype for column in self._columns} | dict(OWN))
        self._required: frozenset[str] = getattr(topic.schema, "__required_keys__", frozenset(hints))
        self._optional = [column.name for column in self._columns if column.name not in self._required]

    def frame(self, events: Sequence[Event], topic_id: str, places: Places) -> pl.DataFrame:
        """The rows of these events.

        Raises whatever Python or Polars say of a value that its column cannot hold.
        """
        values = {column.name: self._values(column.name, events) for column in self._columns}
        series = [column.series(column.name, values[column.name]) for column in self._columns]
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
                self._asides(values, events),
            ]
        )

    def events(self, frame: pl.DataFrame) -> list[Event | Unfit]:
        """The events of these rows, equal to what was decoded; a row that lacks what the schema asks for is unfit."""
        asides = _by_field(frame.get_column("_aside"))
        lists = [column.values(frame.get_column(column.name), asides.get(column.name, {})) for column in self._columns]
        names = [column.name for column in self._columns]
        events: list[Any] = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
        for name in self._optional:
            null = asides.get(name, {})
            for row, value in enumerate(lists[names.index(name)]):
                if value is None and null.get(row) != NULL:
                    del events[row][name]
        for column, values in zip(self._columns, lists, strict=True):
            if column.name in self._required and not column.nullable and frame.get_column(column.name).null_count():
                for row, value in enumerate(values):
                    if value is None and not isinstance(events[row], Unfit):
                        events[row] = Unfit(f"{column.name} is missing", events[row])
        return events

    def _values(self, name: str, events: Sequence[Event]) -> Values:
        if name in self._required:
            return [event[name] for event in events]
        return [event.get(name) for event in events]

    def _asides(self, values: Mapping[str, Values], events: Sequence[Event]) -> pl.Series:
        """What the columns cannot say, as JSON: null for most events."""
        found: dict[int, dict[str, Aside]] = {}
        for column in self._columns:
            for row, aside in self._asides_of(column, values[column.name], events):
                found.setdefault(row, {})[column.name] = aside
        if not found:
            return pl.Series("_aside", [None], dtype=pl.String).new_from_index(0, len(events))
        texts = [orjson.dumps(found[row]).decode() if row in found else None for row in range(len(events))]
        return pl.Series("_aside", texts, dtype=pl.String)

    def _asides_of(self, column: Column, values: Values, events: Sequence[Event]) -> Iterable[tuple[int, Aside]]:
        if column.asides is not None:
            yield from ((row, aside) for row, aside in enumerate(column.asides(values)) if aside is not None)
        if column.nullable and column.name not in self._required:
            yield from ((row, NULL) for row, event in enumerate(events) if event.get(column.name, ...) is None)


def _by_field(asides: pl.Series) -> dict[str, dict[int, Aside]]:
    """By field and row what the columns do not say."""
    found: dict[str, dict[int, Aside]] = {}
    if asides.null_count() == len(asides):
        return found
    for row, text in enumerate(asides.to_list()):
        for name, aside in orjson.loads(text).items() if text else ():
            found.setdefault(name, {})[row] = aside
    return found


def _check_names(topic: str, fields: dict[str, Any]) -> None:
    taken = dict.fromkeys(OWN, "the archive's own columns")
    for name in fields:
        if name.lower() in taken:
            raise HeadraceError(f"{topic}: the field {name} cannot be archived beside {taken[name.lower()]}")
        taken[name.lower()] = f"the field {name}, since tables do not tell capitals from small letters"
