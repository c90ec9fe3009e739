"""From an archive's rows back to events: what comes back is what was decoded, zones, missing fields and all."""

import datetime as dt
import enum
import json
from collections.abc import Sequence
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired
from uuid import UUID

import polars as pl
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field
from typing_extensions import TypedDict

from streaming.archive_schema import Columns, Places, Unfit
from streaming.codec import Codec
from streaming.topics import Topic
from streaming.usecase import Event

Code = NewType("Code", str)


class Colour(enum.Enum):
    """Told by text."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    """Told by number."""

    S = 1
    L = 3


class Pair(NamedTuple):
    """A record without names in JSON."""

    first: int
    second: str


class Item(TypedDict):
    """A record of plain values, one of which may be missing."""

    code: str
    prices: list[float]
    note: NotRequired[str]


class Box(TypedDict):
    """A record whose null has two meanings."""

    items: list[Item]
    label: NotRequired[str | None]


class Odd(TypedDict):
    """One field of every kind that a schema may have."""

    key: Annotated[str, Field(min_length=1)]
    at: dt.datetime
    day: dt.date
    hour: dt.time
    span: dt.timedelta
    number: int
    measure: Annotated[float, Field(ge=0)]
    flag: bool
    kind: Literal["a", "b"]
    level: Literal[1, 2]
    either: Literal["a", 1]
    colour: Colour
    size: Size
    price: Decimal
    id: UUID
    raw: bytes
    address: IPv4Address
    code: Code
    item: Item
    items: list[Item | None]
    box: Box
    weights: dict[str, float]
    by_number: dict[int, str]
    tags: set[str]
    pair: Pair
    couple: tuple[int, str]
    moments: list[dt.datetime]
    mixed: int | str
    numeric: int | float
    anything: Any
    note: str | None
    seen: dt.datetime | None
    maybe: NotRequired[float]
    maybe_null: NotRequired[float | None]
    maybe_seen: NotRequired[dt.datetime | None]
    maybe_items: NotRequired[list[Item]]


ODD = Topic("odd", Odd, key="key", time="at")
FIELDS: dict[str, Any] = {
    "key": "k",
    "at": "2026-01-01T02:00:00.000001+02:00",
    "day": "2026-01-01",
    "hour": "12:30:00",
    "span": "P1DT2S",
    "number": -3,
    "measure": 1,
    "flag": True,
    "kind": "a",
    "level": 2,
    "either": 1,
    "colour": "red",
    "size": 3,
    "price": "1.20",
    "id": "12345678-1234-5678-1234-567812345678",
    "raw": "bytes",
    "address": "10.0.0.1",
    "code": "c",
    "item": {"code": "x", "prices": [1.5]},
    "items": [{"code": "x", "prices": [], "note": "n"}, None, {"code": "y", "prices": [1, 2]}],
    "box": {"items": [{"code": "z", "prices": [0.1]}], "label": None},
    "weights": {"a": 1, "b": 0.1},
    "by_number": {"7": "seven"},
    "tags": ["b", "a"],
    "pair": [1, "one"],
    "couple": [2, "two"],
    "moments": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00-03:30"],
    "mixed": "seven",
    "numeric": 1.0,
    "anything": {"deep": [1, 2.0, None, "x"]},
    "note": None,
    "seen": None,
}


def there_and_back(folder: Path, topic: Topic, events: Sequence[Event]) -> list[Event | Unfit]:
    """Through a real Delta table."""
    columns, count = Columns(topic), len(events)
    frame = columns.frame(events, "id", Places([0] * count, list(range(count)), [0] * count))
    write_deltalake(str(folder), frame, mode="overwrite", partition_by=["_date"])
    return columns.events(pl.scan_delta(str(folder)).sort("_offset").collect())


def exactly(event: Any) -> Any:
    """The event with the types, zones and order of all that is in it: equal moments of two zones are not the same."""
    if isinstance(event, dict):
        return [(exactly(name), exactly(value)) for name, value in event.items()]
    if isinstance(event, list | tuple):
        return type(event), [exactly(value) for value in event]
    if isinstance(event, dt.datetime):
        return type(event.tzinfo), event.isoformat()
    return type(event), event


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"at": "2026-01-01T00:00:00Z"},
        {"at": "2026-01-01T00:00:00"},
        {"at": "0001-01-01T00:00:00+02:00"},
        {"at": "1969-12-31T23:59:59.999999-11:30"},
        {"seen": "2026-01-01T00:00:00+05:45", "note": ""},
        {"maybe": 2.5, "maybe_null": 2.5, "maybe_seen": "2026-01-01T00:00:00", "maybe_items": []},
        {"maybe_null": None, "maybe_seen": None, "maybe_items": [{"code": "", "prices": [], "note": ""}]},
        {"mixed": 7, "numeric": 1, "either": "a", "anything": None, "items": []},
        {"price": "1E+3", "number": 2**63 - 1, "measure": 5e-324, "raw": "", "key": "ä\x00\n"},
        {"box": {"items": [], "label": "l"}, "by_number": {}, "weights": {}, "tags": [], "span": "-P1D"},
    ],
)
def test_an_event_with_every_kind_of_field_comes_back_exactly(tmp_path, change: dict[str, Any]):
    """Values, types, zones, missing fields, and the order of the fields."""
    event = Codec(ODD).decode(json.dumps(FIELDS | change).encode())
    (found,) = there_and_back(tmp_path, ODD, [event])
    assert found == event
    assert exactly(found) == exactly(event)


def test_rows_that_differ_in_what_the_columns_cannot_say_come_back_each_as_it_was(tmp_path):
    """Zones and nulls belong to their own rows."""
    changes: list[dict[str, Any]] = [
        {"at": "2026-01-01T00:00:00"},
        {},
        {"maybe_null": None},
        {"seen": "2026-01-01T00:00:00-01:00"},
        {},
    ]
    events = [Codec(ODD).decode(json.dumps(FIELDS | change).encode()) for change in changes]
    assert exactly(there_and_back(tmp_path, ODD, events)) == exactly(events)


class Some(TypedDict):
    """The kinds whose values vary most."""

    at: dt.datetime
    number: int
    measure: float
    text: str | None
    maybe: NotRequired[dt.datetime | None]
    mixed: int | float | str | bool
    nested: dict[str, list[dict[str, float | None]]]
    item: Item
    price: Decimal


SOME = Topic("some", Some, key="text", time="at")
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
zones = st.one_of(st.none(), st.integers(-1439, 1439).map(lambda m: dt.timezone(dt.timedelta(minutes=m))))
moments = st.datetimes(timezones=zones).map(dt.datetime.isoformat)
some_events = st.fixed_dictionaries(
    {
        "at": moments,
        "number": st.integers(-(2**63), 2**63 - 1),
        "measure": numbers | st.integers(-(2**53), 2**53),
        "text": st.none() | texts,
        "mixed": st.integers(-(2**60), 2**60) | numbers | texts | st.booleans(),
        "nested": st.dictionaries(texts, st.lists(st.dictionaries(texts, st.none() | numbers, max_size=2), max_size=2)),
        "item": st.fixed_dictionaries(
            {"code": texts, "prices": st.lists(numbers, max_size=3)}, optional={"note": texts}
        ),
        "price": st.decimals(allow_nan=False, allow_infinity=False).map(str),
    },
    optional={"maybe": st.none() | moments},
)


@given(rows=st.lists(some_events, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_decoded_comes_back_exactly(tmp_path, rows):
    """Any event that satisfies the schema."""
    codec = Codec(SOME)
    events = [codec.decode(json.dumps(row).encode()) for row in rows]
    assert exactly(there_and_back(tmp_path, SOME, events)) == exactly(events)


class Before(TypedDict):
    """A schema,"""

    key: str
    at: float
    dropped: int


class After(TypedDict):
    """and what became of it."""

    key: str
    at: float
    new: int
    new_or_null: int | None
    perhaps: NotRequired[int]


def test_a_row_of_an_earlier_schema_is_what_todays_codec_makes_of_the_record(tmp_path):
    """A field that is missing today is said, one that may be missing is left out, a dropped one is ignored."""
    old, new = (Topic("t", schema, key="key", time="at") for schema in (Before, After))
    frame = Columns(old).frame([{"key": "k", "at": 1.0, "dropped": 1}], "id", Places([0], [0], [0]))
    write_deltalake(str(tmp_path), frame)
    event: Event = {"key": "k", "at": 2.0, "new": 1, "new_or_null": None}
    write_deltalake(
        str(tmp_path), Columns(new).frame([event], "id", Places([0], [1], [0])), mode="append", schema_mode="merge"
    )
    rows = pl.scan_delta(str(tmp_path)).sort("_offset").collect()
    unfit, fit = Columns(new).events(rows)
    assert fit == event
    assert unfit == Unfit("new is missing", {"key": "k", "at": 1.0, "new": None, "new_or_null": None})
