"""Where the rows of an archived topic stand: which stretch of which file holds which offsets of which partition."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import polars as pl

from streaming.archive_schema import OWN

BLOCK_ROWS = 20_000
"""Rows that are read at once; files that are put together are written in groups of as many."""
_AT_ONCE = 8
_PLACES = {name: OWN[name] for name in ("_topic_id", "_partition", "_offset")}


class Block(NamedTuple):
    """A stretch of rows of one file, in the file's order."""

    uri: str
    first: int
    """The number of its first row in the file."""


class Span(NamedTuple):
    """What a block holds of one partition."""

    low: int
    high: int
    """The first and the last offset; those between may be elsewhere."""
    rows: int
    block: Block


class Index(NamedTuple):
    """Where all rows of one topic id stand."""

    spans: dict[int, list[Span]]
    """By partition, in the order of the first offsets."""
    others: int
    """Rows of other topic ids: of topics of this name that were deleted."""


def scan(uri: str, schema: dict[str, pl.DataType], options: dict[str, str]) -> pl.LazyFrame:
    """These columns of one file of the table; null where the file is older than the column."""
    return pl.scan_parquet(
        uri,
        schema=schema,
        glob=False,
        hive_partitioning=False,
        # Polars has other words for patience than delta-rs, and reads the AWS_* of the environment by itself.
        storage_options={"allow_http": options["allow_http"]} if options else None,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore"),
    )


def index(uris: Iterable[str], topic_id: str, options: dict[str, str]) -> Index:
    """Look through the places of all rows: three columns, file by file."""
    spans: dict[int, list[Span]] = {}
    others: Counter[str] = Counter()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="index") as pool:
        for uri, rows in zip(uris, pool.map(lambda uri: _groups(uri, options), uris), strict=True):
            for id, partition, block, low, high, count in rows.iter_rows():
                if id == topic_id:
                    spans.setdefault(partition, []).append(Span(low, high, count, Block(uri, block * BLOCK_ROWS)))
                else:
                    others[id] += count
    return Index({partition: sorted(found) for partition, found in spans.items()}, others.total())


def _groups(uri: str, options: dict[str, str]) -> pl.DataFrame:
    """By topic id, partition and block: the first and the last offset, and how many there are."""
    offset = pl.col("_offset")
    return (
        scan(uri, _PLACES, options)
        .with_row_index("row")
        .group_by("_topic_id", "_partition", pl.col("row") // BLOCK_ROWS)
        .agg(offset.min().alias("low"), offset.max().alias("high"), pl.len().alias("rows"))
        .collect()
    )
