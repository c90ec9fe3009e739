"""The plain loop: consume, Polars ndjson with a schema, one Delta commit with its `txn` per 100,000 rows.

No validation, no fencing, no dead letters, one process: what is left is the least that an archive has to do.
"""

import io
import os
import sys
import time
from typing import Any

import polars as pl
from confluent_kafka import Consumer, KafkaError, TopicPartition
from deltalake import CommitProperties, Transaction, write_deltalake

TOPIC = "bench.archived"
SCHEMA = {
    "customer_id": pl.String,
    "date": pl.Date,
    "data_gb": pl.Float64,
    "minutes": pl.Float64,
    "sms": pl.Int64,
    "region": pl.String,
    "current_plan": pl.String,
    "current_monthly_spend": pl.Float64,
}
_BATCH = 100_000


def main() -> None:
    """Archive the whole topic."""
    table = os.environ["HEADRACE_STORE"].removeprefix("file://")
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"],
            "group.id": "plain",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    parts = sorted(consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)
    consumer.assign([TopicPartition(TOPIC, part, 0) for part in parts])
    began, rows, ended = time.monotonic(), 0, set[int]()
    values: list[bytes] = []
    places: list[tuple[Any, Any, int]] = []
    while len(ended) < len(parts):
        for message in consumer.consume(1_000, 0.1):
            error = message.error()
            if error is None:
                values.append(message.value() or b"")
                places.append((message.partition(), message.offset(), message.timestamp()[1]))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                ended.add(message.partition() or 0)
        if len(values) >= _BATCH:
            rows += commit(table, values, places)
            values, places = [], []
    rows += commit(table, values, places)
    sys.stderr.write(f"stopping rows={rows} seconds={time.monotonic() - began:.3f}\n")


def commit(table: str, values: list[bytes], places: list[tuple[Any, Any, int]]) -> int:
    """Write these rows, and the last offset of each partition."""
    if not values:
        return 0
    own = pl.DataFrame(places, schema={"_partition": pl.Int32, "_offset": pl.Int64, "_ms": pl.Int64}, orient="row")
    moment = (pl.col("_ms") * 1000).cast(pl.Datetime("us", "UTC"))
    frame = pl.read_ndjson(io.BytesIO(b"\n".join(values)), schema=SCHEMA).hstack(
        own.select("_partition", "_offset", moment.alias("_kafka_time"), moment.dt.date().alias("_date"))
    )
    last = dict(own.group_by("_partition").agg(pl.col("_offset").max()).iter_rows())
    moves = [Transaction(f"plain/{part}", offset) for part, offset in last.items()]
    properties = CommitProperties(app_transactions=moves)
    write_deltalake(table, frame, mode="append", partition_by=["_date"], commit_properties=properties)
    return len(frame)


if __name__ == "__main__":
    main()
