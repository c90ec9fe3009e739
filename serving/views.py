"""Features by key: what the trainers published of each key, from Redis or from the topic `<use case>.views`."""

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import orjson
import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from streaming.errors import Unavailable

log = structlog.get_logger()

_TIMEOUT_S = 0.25


class StoredView(NamedTuple):
    """A key's view, with the event time (microseconds since 1970) and the epoch that it was written at."""

    view: dict[str, float | str]
    event_time: int
    epoch: int


class Views(Protocol):
    """Where views are looked up."""

    kind: str
    """In a word."""

    async def find(self, use_case: str, keys: Sequence[str]) -> list[StoredView | None]:
        """The views of several keys in one round trip, None where nothing is known; `Unavailable` when it cannot."""

    async def close(self) -> None:
        """Leave."""


class MemoryViews:
    """Views in memory, as the follower of the topics gives them. An older one never overwrites a newer one."""

    kind = "memory"

    def __init__(self, complete: threading.Event) -> None:
        """Begin with none; what is not here is unknown only once the topics are read to their end (`complete`)."""
        self._complete = complete
        self._stored: dict[str, dict[str, tuple[tuple[int, int], bytes]]] = {}

    def take(self, topic: str, key: str, value: bytes | None) -> None:
        """Use one record of `<use case>.views`; kept as bytes, which take a quarter of the room."""
        known = self._stored.setdefault(topic.removesuffix(".views"), {})
        if value is None:
            known.pop(key, None)
            return
        view = decode(value)
        if view is None:
            return
        order = (view.epoch, view.event_time)
        if key not in known or order >= known[key][0]:
            known[key] = order, value

    async def find(self, use_case: str, keys: Sequence[str]) -> list[StoredView | None]:
        """Straight from memory."""
        known = self._stored.get(use_case, {})
        found = [decode(known[key][1]) if key in known else None for key in keys]
        if None in found and not self._complete.is_set():
            raise Unavailable(f"the topic {use_case}.views is not read to its end yet")
        return found

    async def close(self) -> None:
        """Nothing to leave."""


class RedisViews:
    """Views in Redis or Valkey, written there by the trainers under `view:<use case>:<key>`."""

    kind = "redis"

    def __init__(self, url: str) -> None:
        """Connect at the first look-up; a server that is away is tried again at each.

        A connection that the server has closed meanwhile is made anew at once; one that hangs is not waited for twice.
        """
        self._away = False
        once = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=once
        )

    async def find(self, use_case: str, keys: Sequence[str]) -> list[StoredView | None]:
        """One GET, or one MGET for several."""
        names = [f"view:{use_case}:{key}" for key in keys]
        try:
            found = [await self._client.get(names[0])] if len(names) == 1 else await self._client.mget(names)
        except (RedisError, OSError) as error:
            if not self._away:
                what = "Redis does not answer: requests by key alone are refused"
                log.warning(what, use_case=use_case, reason=str(error))
            self._away = True
            raise Unavailable(f"Redis does not answer ({error})") from None
        if self._away:
            log.info("Redis answers again", use_case=use_case)
        self._away = False
        return [None if value is None else decode(value) for value in found]

    async def close(self) -> None:
        """Leave."""
        await self._client.aclose()


def decode(value: bytes | str) -> StoredView | None:
    """Read `{"view": …, "event_time": …, "epoch": …}`; None when it is not that.

    >>> decode(b'{"view":{"a":1.5},"event_time":2,"epoch":3}')
    StoredView(view={'a': 1.5}, event_time=2, epoch=3)
    """
    try:
        found: dict[str, Any] = orjson.loads(value)
        return StoredView(dict(found["view"]), int(found["event_time"]), int(found["epoch"]))
    except (ValueError, TypeError, KeyError):
        return None
