"""What librdkafka tells of itself every few seconds, as far as it helps: brokers, round trips, what waits, errors."""

import time
from functools import cache
from typing import Any, NamedTuple

import orjson
import structlog

from streaming import metrics

log = structlog.get_logger()

_EVERY_MS = 5_000


_SILENT_S = 20.0
"""A client that has told nothing for so long is closed, or nobody polls it: what it told last is no news."""

_SPOKEN = "seat", "follower"
"""Clients that are polled all the time."""


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


_WELL = "UP", "UPDATE", "INIT"
"""States of a coordinator that answers, or that was not asked yet."""


class Facts(NamedTuple):
    """Of one client."""

    brokers_up: int
    request_s: float
    queued: int
    errors: int


_heard: dict[str, float] = {}
"""When each client told something last."""


def forget_silent(now_s: float) -> None:
    """Take the series of clients away that tell nothing any more: an old 1 would hide that Kafka is away."""
    for client in [client for client, heard_s in _heard.items() if now_s - heard_s > _SILENT_S]:
        del _heard[client]
        for gauge in (metrics.KAFKA_BROKERS, metrics.KAFKA_SECONDS, metrics.KAFKA_QUEUED):
            gauge.remove(client)


def statistics(client: str, *, member: bool = False) -> dict[str, Any]:
    """The settings that show a client under this name; it is told while the client polls.

    A `member` of a group asks its coordinator every second or two, so that it notices first when that is gone.
    """
    before, contact = 0, _contact(client) if client in _SPOKEN else None

    def observe(told: str) -> None:
        nonlocal before
        facts, now_s = read(told, member=member), time.monotonic()
        _heard[client] = now_s
        if contact is not None:
            contact.look(facts.brokers_up)
        metrics.KAFKA_BROKERS.labels(client).set(facts.brokers_up)
        metrics.KAFKA_SECONDS.labels(client).set(facts.request_s)
        metrics.KAFKA_QUEUED.labels(client).set(facts.queued)
        metrics.KAFKA_ERRORS.labels(client).inc(max(0, facts.errors - before))
        before = facts.errors
        forget_silent(now_s)

    return {"statistics.interval.ms": _EVERY_MS, "stats_cb": observe}


def read(told: str, *, member: bool = False) -> Facts:
    """Read librdkafka's JSON; bootstrap addresses and coordinators are the same brokers once more.

    A member whose coordinator does not answer reaches nobody: its connections to brokers time out a minute later.

    >>> read('{"msg_cnt":3,"brokers":{"a:1/0":{"nodeid":0,"state":"UP","rtt":{"p99":2500},"txerrs":1}}}')
    Facts(brokers_up=1, request_s=0.0025, queued=3, errors=1)
    """
    found = orjson.loads(told)
    coordinator = found.get("brokers", {}).get("GroupCoordinator", {}).get("state", "UP")
    lost = member and coordinator not in _WELL
    brokers = [broker for broker in found.get("brokers", {}).values() if broker["nodeid"] >= 0]
    return Facts(
        brokers_up=0 if lost else sum(broker["state"] == "UP" for broker in brokers),
        request_s=max((broker.get("rtt", {}).get("p99", 0) for broker in brokers), default=0) / 1e6,
        queued=found.get("msg_cnt", 0),
        errors=sum(broker.get(kind, 0) for broker in brokers for kind in ("txerrs", "rxerrs", "req_timeouts")),
    )
