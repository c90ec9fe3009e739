"""The columns of an archived topic."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Optional

import polars as pl
import pytest
from deltalake import write_deltalake
from pydantic import Field
from typing_extensions import TypedDict

from streaming.archive_schema import OWN, Columns, Places
from streaming.codec import Codec
from streaming.errors import HeadraceError
from streaming.topics import Topic
from usecases.telecom.events import USAGE

NOON = 1_767_268_800_000


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(TypedDict):
    code: str
    prices: list[float]


class Everything(TypedDict):
    key: Annotated[str, Field(min_length=1)]
    at: dt.datetime
    day: dt.date
    number: int
    measure: Annotated[float, Field(ge=0)]
    flag: bool
    kind: Literal["a", "b"]
    colour: Colour
    price: Decimal
    items: list[Item]
    weights: dict[str, float]
    mixed: int | str
    note: str | None
    old_note: Optional[str]  # noqa: UP045  # people write this too
    extra: NotRequired[float]


EVERYTHING = Topic("everything", Everything, key="key", time="at")
FULL: dict[str, Any] = {
    "key": "k",
    "at": "2026-01-01T02:00:00+02:00",
    "day": "2026-01-01",
    "number": 3,
    "measure": 1,
    "flag": True,
    "kind": "a",
    "colour": "red",
    "price": "1.20",
    "items": [{"code": "x", "prices": [1.5]}],
    "weights": {"a": 1.0},
    "mixed": "seven",
    "note": None,
    "old_note": "n",
    "extra": 2.5,
}


def frame_of(topic: Topic, *fields: dict[str, Any]) -> pl.DataFrame:
    codec = Codec(topic)
    events = [codec.decode(codec.encode(one)) for one in fields]
    count = len(events)
    return Columns(topic).frame(events, "id", Places([2] * count, list(range(count)), [NOON] * count))


def test_every_kind_of_field_has_a_column_and_comes_back_from_delta(tmp_path):
    """Plain values as they are, moments in UTC, records as records, the rest as JSON."""
    frame = frame_of(EVERYTHING, FULL)
    assert frame.schema == Columns(EVERYTHING).schema
    write_deltalake(str(tmp_path / "t"), frame, partition_by=["_date"])
    row = pl.scan_delta(str(tmp_path / "t")).collect().row(0, named=True)
    assert row == {
        "key": "k",
        "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "day": dt.date(2026, 1, 1),
        "number": 3,
        "measure": 1.0,
        "flag": True,
        "kind": "a",
        "colour": "red",
        "price": "1.20",
        "items": [{"code": "x", "prices": [1.5]}],
        "weights": '{"a":1.0}',
        "mixed": '"seven"',
        "note": None,
        "old_note": "n",
        "extra": 2.5,
        "_topic_id": "id",
        "_partition": 2,
        "_offset": 0,
        "_kafka_time": dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC),
        "_date": dt.date(2026, 1, 1),
        "_aside": '{"at":7200}',
    }


def test_a_field_that_may_be_missing_is_null():
    """`NotRequired` is no reason to refuse the row."""
    assert frame_of(EVERYTHING, FULL, {**FULL, "extra": 1.0}).get_column("extra").to_list() == [2.5, 1.0]
    without = {name: value for name, value in FULL.items() if name != "extra"}
    assert frame_of(EVERYTHING, without).get_column("extra").to_list() == [None]


def test_the_date_is_that_of_kafkas_time_in_utc():
    """A millisecond before midnight is still the day before; times that no calendar has are brought back to one."""
    columns, event = Columns(USAGE), Codec(USAGE).decode(_usage())
    times = [NOON + 12 * 3_600_000 - 1, NOON + 12 * 3_600_000, -1, 2**62]
    dates = columns.frame([event] * 4, "id", Places([0] * 4, list(range(4)), times)).get_column("_date").to_list()
    assert dates == [dt.date(2026, 1, 1), dt.date(2026, 1, 2), dt.date(1970, 1, 1), dt.date(9999, 12, 31)]


def test_a_table_keeps_the_order_of_the_schema():
    """The event's fields first, the archive's own after them."""
    assert list(Columns(USAGE).schema) == [*USAGE.schema.__annotations__, *OWN]


@pytest.mark.parametrize("name", ["_offset", "_Date"])
def test_a_field_may_not_have_the_name_of_an_archive_column(name):
    """Tables do not tell capitals from small letters."""
    schema = TypedDict("schema", {"k": str, "t": float, name: int})  # type: ignore[misc]
    with pytest.raises(HeadraceError, match=f"the field {name} cannot be archived"):
        Columns(Topic("t", schema, key="k", time="t"))


def test_two_fields_may_not_differ_by_capitals_alone():
    """As above."""

    class Sizes(TypedDict):
        k: str
        t: float
        size: int
        Size: int

    with pytest.raises(HeadraceError, match="the field Size cannot be archived beside the field size"):
        Columns(Topic("t", Sizes, key="k", time="t"))


def _usage() -> bytes:
    return (
        b'{"customer_id":"C1","date":"2026-01-01","data_gb":0.1,"minutes":1.0,"sms":1,"region":"west",'
        b'"current_plan":"basic","current_monthly_spend":9.0}'
    )
