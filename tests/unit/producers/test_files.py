"""Events in files."""

import datetime as dt
import json
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from producers import telecom
from producers.files import Replay, read, write
from streaming.codec import Codec
from streaming.errors import BadRecord, HeadraceError, WrongUsage
from usecases.telecom.events import CHURN, USAGE

GOOD = {
    "customer_id": "C1",
    "date": "2026-01-01",
    "data_gb": 0.5,
    "minutes": 3.0,
    "sms": 2,
    "region": "north",
    "current_plan": "basic",
    "current_monthly_spend": 20.0,
}


def records(path: Path) -> list[tuple[bytes | None, bytes]]:
    """A file's records for the usage topic."""
    return list(read(path, USAGE))


def test_lines_stay_as_they_are(tmp_path):
    """NDJSON lines keep their bytes: spaces, unknown fields, what is broken."""
    lines = [json.dumps(GOOD), '{ "customer_id":"C2" ,"more":1}', '{"customer_id": "C3"', "[1]", "null", '"C4"']
    path = tmp_path / "usage.ndjson"
    path.write_text("\n".join(lines) + "\n")
    assert [value.decode() for _, value in records(path)] == lines


def test_keys(tmp_path):
    """The key is the key field, also of a line that does not fit, and none when it cannot be read."""
    path = tmp_path / "usage.jsonl"
    path.write_text(
        "\n".join([json.dumps(GOOD), '{"customer_id": 7}', '{"customer_id": null}', '{"customer_id', "[1]"])
    )
    assert [key for key, _ in records(path)] == [b"C1", b"7", None, None, None]


def test_unfit_lines_are_counted(tmp_path):
    """Lines that do not fit the schema are counted: broken, missing a field, out of bounds, of the wrong type."""
    path = tmp_path / "usage.ndjson"
    wrong = [GOOD | {"data_gb": -1.0}, GOOD | {"sms": "two"}, {"customer_id": "C1"}]
    path.write_text("\n".join(["{", *(json.dumps(line) for line in [*wrong, GOOD])]))
    replay = Replay(path, USAGE)
    assert len(list(replay)) == 5
    assert replay.unfit == 4


def test_blank_lines_and_line_ends(tmp_path):
    """Blank lines are no records, and Windows line ends no part of one."""
    path = tmp_path / "usage.ndjson"
    path.write_bytes(b'\r\n{"customer_id":"C1"}\r\n\n{"customer_id":"C2"}')
    assert [value for _, value in records(path)] == [b'{"customer_id":"C1"}', b'{"customer_id":"C2"}']


def test_csv_is_typed_by_the_schema(tmp_path):
    """A CSV's text becomes the numbers and dates of the schema; an id of digits stays text."""
    path = tmp_path / "usage.csv"
    path.write_text(",".join(GOOD) + "\n" + ",".join(str(value) for value in (GOOD | {"customer_id": "007"}).values()))
    ((key, value),) = records(path)
    assert key == b"007"
    assert json.loads(value) == GOOD | {"customer_id": "007"}


def test_csv_rows_that_do_not_fit(tmp_path):
    """What does not fit is sent as it is; an empty cell is a missing field."""
    path = tmp_path / "usage.csv"
    path.write_text("customer_id,data_gb,sms,minutes\nC1,much,,nan\n")
    replay = Replay(path, USAGE)
    assert list(replay) == [(b"C1", b'{"customer_id":"C1","data_gb":"much","minutes":"nan"}')]
    assert replay.unfit == 1


def test_the_field_of_a_csv_that_does_not_fit_is_the_one_that_is_named(tmp_path):
    """The others are typed, so that the dead letter does not complain of the first number that is text."""
    path = tmp_path / "usage.csv"
    path.write_text(",".join(GOOD) + "\n" + ",".join(str(value) for value in (GOOD | {"region": "moon"}).values()))
    ((_, value),) = records(path)
    assert json.loads(value) == GOOD | {"region": "moon"}
    with pytest.raises(BadRecord, match="^region must be"):
        Codec(USAGE).decode(value)


def test_parquet(tmp_path):
    """Parquet rows keep order and values, over many batches."""
    rows = [GOOD | {"customer_id": f"C{n}", "date": dt.date(2026, 1, 1)} for n in range(25_000)]
    path = tmp_path / "usage.parquet"
    pl.DataFrame(rows).write_parquet(path)
    found = records(path)
    assert [key for key, _ in found] == [f"C{n}".encode() for n in range(25_000)]
    assert json.loads(found[-1][1]) == GOOD | {"customer_id": "C24999"}


def test_parquet_values_that_json_lacks(tmp_path):
    """A row that does not fit becomes JSON whatever its types."""
    path = tmp_path / "usage.parquet"
    pl.DataFrame({"customer_id": ["C1"], "data_gb": [b"\xff"]}).write_parquet(path)
    assert [key for key, _ in records(path)] == [b"C1"]


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_an_empty_file(tmp_path, kind):
    """An empty file is an error in one sentence."""
    path = tmp_path / f"usage.{kind}"
    path.touch()
    with pytest.raises(HeadraceError, match=r"usage\.\w+ is empty$"):
        Replay(path, USAGE)


def test_a_missing_file(tmp_path):
    """A missing file is named."""
    with pytest.raises(HeadraceError, match=r"^there is no file .*nowhere\.csv$"):
        Replay(tmp_path / "nowhere.csv", USAGE)


def test_a_folder(tmp_path):
    """A folder is no file."""
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(HeadraceError, match=r"cannot be read: Is a directory"):
        Replay(tmp_path / "x.csv", USAGE)


def test_another_kind_of_file(tmp_path):
    """An unknown ending is wrong usage that lists the known ones."""
    with pytest.raises(WrongUsage, match=r"wanted a file \.csv, \.ndjson"):
        Replay(tmp_path / "x.xlsx", USAGE)


@pytest.mark.parametrize(("name", "content"), [("x.parquet", b"no parquet"), ("x.csv", b"a,b\n1,\xff\xfe\n")])
def test_a_damaged_file(tmp_path, name, content):
    """What is not of its kind is an error in one sentence."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HeadraceError, match=rf"{name} cannot be read: [^\n]+$"):
        records(tmp_path / name)


def test_written_files_read_back(tmp_path):
    """What is written is read back, topic by topic; a topic without events has its empty file."""
    events = [(topic, event) for topic, event in islice(telecom.events(seed=6), 300) if topic is USAGE]
    counts = write(events, tmp_path / "new" / "folder", [CHURN, USAGE])
    codec = Codec(USAGE)
    assert counts == {"telecom.churn": 0, "telecom.usage": len(events)}
    assert (tmp_path / "new" / "folder" / "telecom.churn.ndjson").read_bytes() == b""
    found = records(tmp_path / "new" / "folder" / "telecom.usage.ndjson")
    assert found == [(codec.key(event).encode(), codec.encode(event)) for _, event in events]


def test_a_folder_that_cannot_be_written(tmp_path):
    """A place where nothing can be written is an error in one sentence."""
    (tmp_path / "file").touch()
    with pytest.raises(HeadraceError, match=r"file cannot be written: "):
        write([], tmp_path / "file", [USAGE])
