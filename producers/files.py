"""Events in files: CSV, NDJSON and Parquet are read as records in file order, NDJSON is written."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from streaming.codec import Codec
from streaming.errors import BadRecord, HeadraceError, WrongUsage
from streaming.topics import Topic
from streaming.usecase import Event

_BATCH = 10_000
_NDJSON = (".ndjson", ".jsonl", ".json")


class Replay:
    """The records of a file as (key, value).

    Lines of NDJSON are left as they are, broken ones too: trainers put those on the dead-letter topic. Rows of CSV and
    Parquet become JSON, typed by the topic's schema where they fit it.
    """

    def __init__(self, path: Path, topic: Topic) -> None:
        """Look at the file; a sentence tells why it cannot be read."""
        if path.suffix not in (".csv", ".parquet", *_NDJSON):
            raise WrongUsage(f"{path}: wanted a file .csv, .ndjson, .jsonl or .parquet")
        try:
            with path.open("rb") as file:
                empty = not file.read(1)
        except FileNotFoundError:
            raise HeadraceError(f"there is no file {path}") from None
        except OSError as error:
            raise HeadraceError(f"{path} cannot be read: {error.strerror}") from None
        if empty:
            raise HeadraceError(f"{path} is empty")
        self.path = path
        self.unfit = 0
        """Records so far that do not fit the topic's schema."""
        self._codec = Codec(topic)
        self._key = topic.key

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes]]:
        """Read from the beginning."""
        self.unfit = 0
        return self._lines() if self.path.suffix in _NDJSON else self._rows()

    def _lines(self) -> Iterator[tuple[bytes | None, bytes]]:
        with self.path.open("rb") as file:
            for line in file:
                value = line.rstrip(b"\r\n")
                if not value.strip():
                    continue
                try:
                    key = self._codec.key(self._codec.decode(value)).encode()
                except BadRecord:
                    yield self._unfit_key(value), value
                else:
                    yield key, value

    def _rows(self) -> Iterator[tuple[bytes | None, bytes]]:
        codec = self._codec
        for row in _read_table(self.path):
            fields = {name: value for name, value in row.items() if value is not None}
            try:
                event = codec.check(fields)
            except BadRecord:
                value = orjson.dumps(codec.typed(fields), default=str)
                yield self._unfit_key(value), value
            else:
                yield codec.key(event).encode(), codec.encode(event)

    def _unfit_key(self, value: bytes) -> bytes | None:
        """The key of a record that does not fit, when its field can be read at all."""
        self.unfit += 1
        try:
            key = orjson.loads(value)[self._key]
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
            return None
        return None if key is None else str(key).encode()


def read(path: Path, topic: Topic) -> Iterator[tuple[bytes | None, bytes]]:
    """The records of a file as (key, value), in file order."""
    return iter(Replay(path, topic))


def write(events: Iterable[tuple[Topic, Event]], folder: Path, topics: Iterable[Topic]) -> Counter[str]:
    """Write each topic's events to `<topic>.ndjson`, empty topics too; tells how many by topic."""
    written: Counter[str] = Counter()
    with ExitStack() as open_files:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files: dict[str, tuple[BinaryIO, Codec]] = {}
            for topic in topics:
                file = open_files.enter_context((folder / f"{topic.name}.ndjson").open("wb"))
                files[topic.name] = file, Codec(topic)
                written[topic.name] = 0
            for topic, event in events:
                lines, codec = files[topic.name]
                lines.write(codec.encode(event) + b"\n")
                written[topic.name] += 1
        except OSError as error:
            raise HeadraceError(f"{folder} cannot be written: {error.strerror}") from None
    return written


def _read_table(path: Path) -> Iterator[dict[str, Any]]:
    """Rows as dicts, some thousands in memory at a time; a CSV's cells are text, or None when empty."""
    import polars as pl

    try:
        table = (
            pl.scan_parquet(path)
            if path.suffix == ".parquet"
            else pl.scan_csv(path, infer_schema=False, truncate_ragged_lines=True)
        )
        for batch in table.collect_batches(chunk_size=_BATCH, maintain_order=True):
            yield from batch.iter_rows(named=True)
    except pl.exceptions.PolarsError as error:
        raise HeadraceError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
