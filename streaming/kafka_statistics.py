"""What librdkafka tells of itself every few seconds, as far as it helps: brokers, round trips, what waits, errors."""

from functools import cache
from typing import Any, NamedTuple

import orjson
import structlog

from streaming import metrics

log = structlog.get_logger()

_EVERY_MS = 5_000


_SPOKEN = "reader", "follower"
"""Clients that fetch all the time, so that a broker which is there is connected."""


class Contact:
    """Whether any broker is connected; each change is said once. The archive tells it by itself."""

    def __init__(self) -> None:
        """Not yet: that a start does not succeed is told elsewhere."""
        self._up: bool | None = None

    def look(self, brokers_up: int) -> None:
        """So many are connected now."""
        if self._up and not brokers_up:
            log.warning("Kafka is away: tried again all the time, nothing is lost")
            self._up = False
        elif brokers_up:
            if self._up is False:
                log.info("Kafka is there again")
            self._up = True


@cache
def _contact(_client: str) -> Contact:
    """One for all of a process that have this name: what they all lose is said once."""
    return Contact()


class Facts(NamedTuple):
    """Of one client."""

    brokers_up: int
    request_s: float
    queued: int
    errors: int


def statistics(client: str) -> dict[str, Any]:
    """The settings that show a client under this name; it is told while the client polls."""
    before, contact = 0, _contact(client) if client in _SPOKEN else None

    def observe(told: str) -> None:
        nonlocal before
        facts = read(told)
        if contact is not None:
            contact.look(facts.brokers_up)
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
