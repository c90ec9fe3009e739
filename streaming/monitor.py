"""The small port of a service without an API: `/metrics`, `/livez`, `/readyz`."""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any, Self

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streaming import metrics
from streaming.errors import HeadraceError
from streaming.settings import Monitor

log = structlog.get_logger()

_ALIVE_S = 300.0
"""A loop that has not turned for so long hangs; loading a large state takes less."""

_TIMEOUT_S = 5.0
_MOST_CONNECTIONS = 16


class Pulse:
    """The last sign of life of a loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Alive from the start, ready with the first beat."""
        self._clock = clock
        self._last = clock()
        self.ready = False
        """It has come so far that it works, or stands by to."""

    def beat(self) -> None:
        """The loop turns."""
        self._last, self.ready = self._clock(), True

    @property
    def alive(self) -> bool:
        """It has turned lately."""
        return self._clock() - self._last < _ALIVE_S


class Build(Collector):
    """Which versions of what are running."""

    def __init__(self, service: str) -> None:
        """`service` is trainer, archive or api."""
        labels = service, version("headrace"), platform.python_version(), version("river")
        self._family = metrics.BUILD.family({labels: 1.0})

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The one series."""
        return [self._family]


class _Listener(ThreadingHTTPServer):
    """A thread for each connection, up to a number: what is beyond it is closed at once."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Called in the handling of the error; a client that went away is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            log.exception("a request to the monitor's port failed: its connection is closed")  # noqa: LOG004


class Server:
    """Answers on the port of the settings, in threads of its own, until it is closed."""

    def __init__(self, settings: Monitor, service: str, pulse: Callable[[], Pulse | None]) -> None:
        """Listen; without a port do nothing. `pulse` gives None while the service is being connected."""
        self._server: _Listener | None = None
        if settings.port is None:
            return
        self._build = Build(service)
        REGISTRY.register(self._build)
        try:
            self._server = _Listener((settings.host, settings.port), _answering(pulse))
        except OSError as error:
            REGISTRY.unregister(self._build)
            where = f"{settings.host}:{settings.port}"
            raise HeadraceError(f"HEADRACE_MONITOR__PORT: {where} cannot be listened on ({error.strerror})") from None
        os.register_at_fork(after_in_child=self._let_go)
        host, port = self._server.server_address[:2]
        self.url = f"http://{host!s}:{port}"
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()
        log.info("metrics are shown", url=f"{self.url}/metrics")

    def close(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            REGISTRY.unregister(self._build)

    def _let_go(self) -> None:
        """In a child that writes a checkpoint: it may outlive a killed trainer, whose successor wants the port."""
        if self._server is not None:
            os.close(self._server.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _answering(pulse: Callable[[], Pulse | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S

        def do_GET(self) -> None:
            path, beating = self.path.partition("?")[0], pulse()
            if path == "/metrics":
                self._say(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
            elif path == "/livez":
                alive = beating is None or beating.alive
                self._say(200 if alive else 503, b"alive\n" if alive else b"the loop hangs\n")
            elif path == "/readyz":
                ready = beating is not None and beating.ready
                self._say(200 if ready else 503, b"ready\n" if ready else b"not connected yet\n")
            else:
                self._say(404, b"there are /metrics, /livez and /readyz\n")

        def _say(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Scrapes are no news."""

    return Handler
