"""What librdkafka tells of itself every few seconds, as far as it helps: brokers, round trips, what waits, errors."""

from typing import Any, NamedTuple

import orjson

from streaming import metrics

_EVERY_MS = 5_000


class Facts(NamedTuple):
    """Of one client."""

    brokers_up: int
    request_s: float
    queued: int
    errors: int


def statistics(client: str) -> dict[str, Any]:
    """The settings that show a client under this name; it is told while the client polls."""
    before = 0

    def observe(told: str) -> None:
        nonlocal before
        facts = read(told)
        metrics.KAFKA_BROKERS.labels(client).set(facts.brokers_up)
        metrics.KAFKA_SECONDS.labels(client).set(facts.request_s)
        metrics.KAFKA_QUEUED.labels(client).set(facts.queued)
        metrics.KAFKA_ERRORS.labels(client).inc(max(0, facts.errors - before))
        before = facts.errors

    return {"statistics.interval.ms": _EVERY_MS, "stats_cb": observe}


def read(told: str) -> Facts:
    """Read librdkafka's JSON; bootstrap addresses and coordinators are the same brokers once more.

    >>> read('{"msg_cnt":3,"brokers":{"a:1/0":{"nodeid":0,"state":"UP","rtt":{"p99":2500},"txerrs":1}}}')
    Facts(brokers_up=1, request_s=0.0025, queued=3, errors=1)
    """
    found = orjson.loads(told)
    brokers = [broker for broker in found.get("brokers", {}).values() if broker["nodeid"] >= 0]
    return Facts(
        brokers_up=sum(broker["state"] == "UP" for broker in brokers),
        request_s=max((broker.get("rtt", {}).get("p99", 0) for broker in brokers), default=0) / 1e6,
        queued=found.get("msg_cnt", 0),
        errors=sum(broker.get(kind, 0) for broker in brokers for kind in ("txerrs", "rxerrs", "req_timeouts")),
    )
