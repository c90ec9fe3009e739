"""The small port of a service without an API: `/metrics`, `/livez`, `/readyz`."""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Self

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


class Server:
    """Answers on the port of the settings, in threads of its own, until it is closed."""

    def __init__(self, settings: Monitor, service: str, pulse: Callable[[], Pulse | None]) -> None:
        """Listen; without a port do nothing. `pulse` gives None while the service is being connected."""
        self._server: ThreadingHTTPServer | None = None
        if settings.port is None:
            return
        self._build = Build(service)
        REGISTRY.register(self._build)
        try:
            self._server = ThreadingHTTPServer((settings.host, settings.port), _answering(pulse))
        except OSError as error:
            REGISTRY.unregister(self._build)
            where = f"{settings.host}:{settings.port}"
            raise HeadraceError(f"HEADRACE_MONITOR__PORT: {where} cannot be listened on ({error.strerror})") from None
        self._server.daemon_threads = True
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
        def do_GET(self) -> None:
            beating = pulse()
            if self.path == "/metrics":
                self._say(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
            elif self.path == "/livez":
                alive = beating is None or beating.alive
                self._say(200 if alive else 503, b"alive\n" if alive else b"the loop hangs\n")
            elif self.path == "/readyz":
                ready = beating is not None and beating.ready
                self._say(200 if ready else 503, b"ready\n" if ready else b"not connected yet\n")
            else:
                self._say(404, b"there are /metrics, /livez and /readyz\n")

        def _say(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are no news."""

    return Handler
