"""Asking HTTP JSON APIs again and again, and sending what is new: nothing twice, nothing left out."""

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson
import urllib3

from producers.cursors import HEADER, Cursors
from producers.mapping import Endpoint, Poll, Row
from producers.sending import Say, Sender, Stop
from streaming.codec import to_us
from streaming.errors import BadRecord, Unavailable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_BYTES = 64 * 1024 * 1024
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
_LONGEST_ORDERED_S = 3_600.0  # however long a server asks us to wait
_SLICE_S = 0.1


class Refused(Unavailable):
    """The server did not give what was asked for; it may have said when to come again."""

    def __init__(self, sentence: str, retry_after_s: float | None = None) -> None:
        """`retry_after_s` by the server's own word."""
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


@dataclass
class Pause:
    """When an endpoint is asked again: longer and longer after failures, with a share of chance."""

    due: float = 0.0
    failures: int = 0

    def failed(self, now: float, ordered_s: float | None) -> float:
        """Note a failure; tells the seconds until the next try."""
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self.failures, 20))
        wait = min(_LONGEST_ORDERED_S, ordered_s) if ordered_s is not None else longest * random.uniform(0.5, 1.0)
        self.failures += 1
        self.due = now + wait
        return wait

    def succeeded(self, now: float, wait_s: float) -> bool:
        """Note an answer; tells whether it had failed before."""
        again, self.failures, self.due = self.failures > 0, 0, now + wait_s
        return again


class Web:
    """Gets JSON over HTTP."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Connections are kept; they go through the proxy that the environment names for `url`, if it names one."""
        place = urlsplit(url)
        options: dict[str, Any] = {"retries": False, "timeout": urllib3.Timeout(timeout_s)}
        proxy = None if proxy_bypass(place.netloc) else getproxies().get(place.scheme)
        self._pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)

    def get(self, url: str, headers: dict[str, str]) -> Any:
        """The answer; `Refused` says in a sentence what came instead, without the query, which may hold a key."""
        place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}{urlsplit(url).path}"
        try:
            with self._pool.request(
                "GET", url, headers={"Accept": "application/json", **headers}, preload_content=False, redirect=False
            ) as answer:
                body = answer.read(_MOST_BYTES + 1)
                status, ordered = answer.status, answer.headers.get("Retry-After")
        except urllib3.exceptions.HTTPError as error:
            raise Refused(f"{place} does not answer ({_reason(error)})") from None
        if status != 200:
            raise Refused(f"{place} answers {status}", _seconds(ordered))
        if len(body) > _MOST_BYTES:
            raise Refused(f"{place} answers more than {_MOST_BYTES // 1024**2} MiB")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(f"{place} answers no JSON ({error})") from None

    def close(self) -> None:
        """Leave."""
        self._pool.clear()


class Poller:
    """Asks every endpoint when it is due, and sends what is new in the order of time and key."""

    def __init__(
        self,
        poll: Poll,
        cursors: Cursors,
        web: Web,
        sender: Sender,
        stop: Stop,
        say: Say,
        save: Callable[[], None],
    ) -> None:
        """`save` keeps the cursors when Kafka has the rows."""
        self._poll, self._cursors, self._web, self._sender = poll, cursors, web, sender
        self._stop, self._say, self._save = stop, say, save
        self._pauses = {endpoint.name: Pause() for endpoint in poll.endpoints()}
        self.unfit = 0
        """Rows that do not fit the topic."""

    def run(self, count: int | None) -> None:
        """Poll until the command is to end, or so many events were sent."""
        endpoints, sent = self._poll.endpoints(), 0
        try:
            while not self._stop.requested and (count is None or sent < count):
                endpoint = min(endpoints, key=lambda one: self._pauses[one.name].due)
                if self._wait(self._pauses[endpoint.name].due):
                    sent += self._turn(endpoint, None if count is None else count - sent)
        finally:
            self._web.close()

    def _turn(self, endpoint: Endpoint, most: int | None) -> int:
        """Ask one endpoint and send what is new; tells how much that was."""
        pause = self._pauses[endpoint.name]
        try:
            fresh = self._ask(endpoint)
        except (Refused, BadRecord) as error:
            first = not pause.failures
            wait = pause.failed(time.monotonic(), getattr(error, "retry_after_s", None))
            if first:
                self._say(f"{endpoint.name}: {error}; asked again in {wait:.0f} s, and then less and less often")
            return 0
        rows = fresh[:most]
        every_s = self._poll.sheet.every_s
        # The API may give a page at a time: there is more at once, unless the newest row is of right now.
        behind = bool(rows) and rows[-1].time_us / 1e6 < time.time() - every_s
        if pause.succeeded(time.monotonic(), 0.0 if behind else every_s):
            self._say(f"{endpoint.name}: answers again")
        if rows:
            self._send(endpoint, rows)
        return len(rows)

    def _ask(self, endpoint: Endpoint) -> list[Row]:
        """The rows that are settled and not on the topic yet, in the order of time and key."""
        sheet = self._poll.sheet
        cursor = self._cursors.of(endpoint.name, to_us(sheet.start))
        after = _EPOCH + timedelta(microseconds=cursor.time_us)
        answer = self._web.get(self._poll.address(endpoint, after), self._poll.headers)
        settled_us = round((time.time() - sheet.settled_after_s) * 1e6)
        found: dict[tuple[int, str], Row] = {}
        for row in self._fitting(self._poll.rows(answer), endpoint):
            if row.time_us <= settled_us and not cursor.sent(row):
                found[row.time_us, row.key] = row
        return [found[place] for place in sorted(found)]

    def _fitting(self, rows: Sequence[Any], endpoint: Endpoint) -> Iterator[Row]:
        for row in rows:
            try:
                yield self._poll.row(row, endpoint)
            except BadRecord as error:
                if not self.unfit:
                    self._say(f"{endpoint.name}: a row is passed over: {error}; further ones are only counted")
                self.unfit += 1

    def _send(self, endpoint: Endpoint, rows: Sequence[Row]) -> None:
        """Send in order.

        Rows of several keys lie in several partitions, and a crash may lose those of one: so the rows of one time are
        on the topic before those of the next are sent, and the newest one found there tells of all.
        """
        sender, cursor = self._sender, self._cursors.of(endpoint.name, 0)
        headers = [(HEADER, endpoint.name.encode())]
        one_key = len({row.key for row in rows}) == 1
        for time_us, group in groupby(rows, key=lambda row: row.time_us):
            keys = []
            for row in group:
                if not sender.send(self._poll.topic.name, row.key.encode(), row.value, headers=headers):
                    return
                keys.append(row.key)
            if not one_key:
                sender.flush()
            for key in keys:
                cursor.pass_(time_us, key)
        sender.flush()
        self._save()

    def _wait(self, until: float) -> bool:
        """Wait for a moment of the monotonic clock; False when the command is to end before."""
        while not self._stop.requested:
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _SLICE_S))
        return False


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After; a date, which hardly any API sends, counts as nothing said."""
    return float(retry_after) if retry_after and re.fullmatch(r"\d+", retry_after.strip()) else None


def _reason(error: Exception) -> str:
    """The last words of urllib3's message."""
    return str(error).rpartition(": ")[2] or type(error).__name__
