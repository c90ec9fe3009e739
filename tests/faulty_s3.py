"""A bad network before a real S3 server: an HTTP proxy that delays, refuses, and cuts connections."""

import http.client
import random
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from headrace.local.s3 import LocalS3

How = Literal["delay", "refuse", "lose request", "lose answer", "deny", "cut"]
"""`refuse`: 503 before, `deny`: 500 after the server has done it; `lose …`: the connection ends before or after that;
`cut`: half of the answer's body."""
_SLOW_S = 0.3


@dataclass
class Fault:
    """What happens to the next `times` requests of this method whose path holds `part`."""

    how: How
    method: str
    part: str
    times: float


class FaultyS3:
    """The server's address for those who shall suffer; used as a context manager."""

    def __init__(self, server: LocalS3) -> None:
        """Nothing is wrong before `fail` or `weather`."""
        self._faults: list[Fault] = []
        self._weather: dict[How, float] = {}
        self._chance = random.Random(1)
        self._lock = threading.Lock()
        self.happened: Counter[str] = Counter()
        """Faults by kind."""
        upstream = "127.0.0.1", server.port
        self._http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self, "to": upstream})
        )
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self.environment = server.environment | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._http.server_port}",
            "HEADRACE_SIGNING_KEY": "signs what is kept on S3",
        }

    def fail(self, how: How, *, method: str = "PUT", part: str = "", times: float = 1) -> None:
        """Let this happen to the next such requests."""
        with self._lock:
            self._faults.append(Fault(how, method, part, times))

    def weather(self, **shares: float) -> None:
        """From now on each of these happens to this share of all requests (`lose_answer=0.1`); none: the sun shines."""
        with self._lock:
            self._faults.clear()
            self._weather = {name.replace("_", " "): share for name, share in shares.items()}  # type: ignore[misc]

    def take(self, method: str, path: str) -> How | None:
        """What happens to this request."""
        with self._lock:
            how = self._choose(method, path)
            if how is not None:
                self.happened[how] += 1
            return how

    def _choose(self, method: str, path: str) -> How | None:
        for fault in self._faults:
            if fault.times > 0 and fault.method == method and fault.part in path:
                fault.times -= 1
                return fault.how
        dice = self._chance.random()
        for how, share in self._weather.items():
            dice -= share
            if dice < 0:
                return how
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Passes a request on as it came: its signature covers the Host that the client has named."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: FaultyS3
    to: tuple[str, int]

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        how = self.proxy.take(self.command, self.path)
        if how == "delay":
            threading.Event().wait(_SLOW_S)
        if how == "refuse":
            self._answer(503, [], b"<Error><Code>SlowDown</Code><Message>not now</Message></Error>")
            return
        if how == "lose request":
            self.close_connection = True
            return
        status, headers, content = self._ask(body)
        if how == "lose answer":
            self.close_connection = True
        elif how == "deny":
            self._answer(500, [], b"<Error><Code>InternalError</Code><Message>so it says</Message></Error>")
        else:
            self._answer(status, headers, content, cut=how == "cut")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.to, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.getheaders(), content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        told = None
        for name, value in headers:
            if name.lower() == "content-length":
                told = value
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        # A HEAD tells the length of what it does not send.
        self.send_header("Content-Length", told if self.command == "HEAD" and told else str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: object) -> None:
        """Say nothing."""
