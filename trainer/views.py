"""The views of keys that have changed, published for look-up by key: to Redis, or to a compacted topic without it."""

import time
import uuid
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import orjson
import redis
import structlog
from confluent_kafka import Producer

log = structlog.get_logger()

MOST = 5_000
"""Views of one batch: the loop must not rest while a million are written after a restart."""

# A view of an older epoch or an earlier event never overwrites a newer one, whoever writes last.
_PUT = """
local old = redis.call('GET', KEYS[1])
if old then
  local view = cjson.decode(old)
  if view.epoch > tonumber(ARGV[2])
    or (view.epoch == tonumber(ARGV[2]) and view.event_time > tonumber(ARGV[3])) then return 0 end
end
if ARGV[1] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1]) end
return 1
"""
_TIMEOUT_S = 2.0
_EVERY_S = 0.2
_AGAIN_S = 1.0
_MARK_S = 600
_LOOK_S = 2.0  # without a change: whether what was written is still there

Views = dict[str, dict[str, Any] | None]
"""By key; None where the profile is gone."""


class Sink(Protocol):
    """Where views go."""

    def put(self, views: Views, epoch: int, event_time: int) -> bool:
        """Write one batch; whether what was written before is still there. What cannot be written raises."""

    def close(self) -> None:
        """Leave."""


class RedisSink:
    """Views as strings `view:<use case>:<key>`, and a mark of this writer, which a server that was emptied has lost."""

    def __init__(self, url: str, use_case: str) -> None:
        """Connect when the first batch comes."""
        self._use_case, self._began = use_case, False
        self._mark = f"views:{use_case}:{uuid.uuid4().hex}"
        self._client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._script = self._client.register_script(_PUT)

    def put(self, views: Views, epoch: int, event_time: int) -> bool:
        """Write a batch in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(self._mark)
        pipeline.set(self._mark, epoch, ex=_MARK_S)
        for key, view in views.items():
            name = f"view:{self._use_case}:{key}"
            value = b"" if view is None else encode(view, epoch, event_time)
            self._script(keys=[name], args=[value, epoch, event_time], client=pipeline)
        there, *_ = pipeline.execute()
        kept, self._began = there is not None or not self._began, True
        return kept

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


class TopicSink:
    """Views on the compacted topic `<use case>.views`."""

    def __init__(self, producer: Producer, use_case: str) -> None:
        """The producer is shared with all that the trainer publishes."""
        self._producer, self._topic = producer, f"{use_case}.views"

    def put(self, views: Views, epoch: int, event_time: int) -> bool:
        """Queue a batch."""
        for key, view in views.items():
            value = None if view is None else encode(view, epoch, event_time)
            self._producer.produce(self._topic, key=key, value=value)
        self._producer.poll(0)
        return True

    def close(self) -> None:
        """The producer is not ours."""


class ViewPublisher:
    """Writes the views of touched keys, one batch at a time, in a thread of its own; of all keys when they are lost."""

    def __init__(self, sink: Sink, use_case: str, epoch: int, keys: Iterable[str]) -> None:
        """`keys` are published first: all that the learner knew before."""
        self._sink, self._use_case, self._epoch = sink, use_case, epoch
        self._touched: dict[str, None] = dict.fromkeys(keys)
        self._batch: Future[bool] | None = None
        self._sent: Views = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="views")
        self._away = False
        self._next = 0.0

    @property
    def waiting(self) -> int:
        """Keys whose view is not written yet."""
        return len(self._touched) + (len(self._sent) if self._batch is not None else 0)

    def touch(self, keys: Iterable[str]) -> None:
        """Note keys whose profile has changed, or is gone."""
        self._touched.update(dict.fromkeys(keys))

    def look(self, profiles: dict[str, Any], event_time: int) -> None:
        """Begin the next batch when the last one is written; never waits."""
        if self._batch is not None:
            if not self._batch.done():
                return
            if not self._conclude(self._batch):
                self.touch(profiles)
            self._batch = None
        now = time.monotonic()
        if now < (self._next if self._touched else self._next + _LOOK_S):
            return
        self._next = now + _EVERY_S
        keys = [key for key, _ in zip(self._touched, range(MOST), strict=False)]
        for key in keys:
            del self._touched[key]
        self._sent = {key: profiles[key].view() if key in profiles else None for key in keys}
        self._batch = self._writer.submit(self._sink.put, self._sent, self._epoch, event_time)

    def close(self, within_s: float = 5.0) -> None:
        """Wait for the batch that is on its way."""
        if self._batch is not None:
            try:
                self._batch.result(within_s)
            except Exception as error:  # noqa: BLE001  # the last word: views are written anew at the next start
                log.warning("the last views were not written", use_case=self._use_case, reason=str(error))
        self._writer.shutdown(wait=False, cancel_futures=True)
        self._sink.close()

    def _conclude(self, batch: Future[bool]) -> bool:
        """Note how it ended; False when what was written before is lost."""
        error = batch.exception()
        if error is None:
            kept = batch.result()
            if self._away or not kept:
                log.info("views are written again" if kept else "all views are written anew", use_case=self._use_case)
            self._away = False
            return kept
        if not isinstance(error, redis.RedisError | BufferError | OSError):
            raise error
        self.touch(self._sent)
        self._next = time.monotonic() + _AGAIN_S
        if not self._away:
            log.warning("views cannot be written, tried again", use_case=self._use_case, reason=str(error))
        self._away = True
        return True


def encode(view: dict[str, Any], epoch: int, event_time: int) -> bytes:
    """`{"view": …, "event_time": microseconds, "epoch": …}`."""
    return orjson.dumps({"view": view, "event_time": event_time, "epoch": epoch})
