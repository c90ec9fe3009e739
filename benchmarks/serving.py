"""Predict requests/s of `headrace serve` beside bare FastAPI routes with the same body and the same answer."""

import contextlib
import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

from benchmarks import freshness, learning
from benchmarks.freshness import PlanLinear
from headrace.local.ports import LOOPBACK, free_port
from producers.telecom import events as telecom
from serving.reply import reply
from serving.schema import RequestSchema
from streaming.kafka import ensure_topics, producer
from streaming.settings import Kafka
from streaming.snapshots import Pointer, seal_model
from streaming.store import Store
from streaming.topics import MODELS
from usecases.telecom.events import USAGE
from usecases.telecom.plan import PlanFeatures

_CONNECTIONS = 16
_ROUNDS, _ROUND_S = 3, 3.0
_LESSONS = 3_000
_START_S = 30.0
_ANSWER = "BENCH_ANSWER"
_PREDICT = f"/v1/{PlanLinear.name}/predict"


def run(folder: Path, bootstrap: str) -> None:
    """Three servers of one worker each, asked in turn by one client, so that all meet the same machine."""
    home = folder / "serving"
    _publish(home, bootstrap)
    with freshness.serving(home, bootstrap) as port:
        answer = _answer(port)
        with _bare(json.dumps(answer)) as bare:
            routes = {
                "headrace serve": (port, _PREDICT),
                "bare, FastAPI's body and answer": (bare, "/usual"),
                "bare, same validator and JSON": (bare, "/same"),
            }
            found: dict[str, list[list[float]]] = {name: [] for name in routes}
            for _ in range(_ROUNDS):
                for name, route in routes.items():
                    found[name].append(_ask(*route))
    print(f"\nserving: predict requests/s, one worker, {_CONNECTIONS} connections of a raw-socket client in Python")
    print(f"{'route':<34}{'requests/s':>11}{'p50 ms':>8}{'p99 ms':>8}{'serve/this':>12}")
    ours = _median_rate(found["headrace serve"])
    for name, rounds in found.items():
        waits, rate = sorted(wait for waits in rounds for wait in waits), _median_rate(rounds)
        p50, p99 = (waits[round(share * (len(waits) - 1))] * 1e3 for share in (0.5, 0.99))
        print(f"{name:<34}{rate:>11.0f}{p50:>8.1f}{p99:>8.1f}{ours / rate:>12.2f}", flush=True)


def bare() -> FastAPI:
    """One process with two routes that give a fixed answer: as FastAPI's guide has it, and as `headrace serve` does."""
    app, answer, schema = FastAPI(), json.loads(os.environ[_ANSWER]), RequestSchema(PlanLinear())

    @app.post("/usual")
    async def usual(_body: PlanFeatures) -> dict[str, Any]:
        return dict(answer)

    @app.post("/same")
    async def same(request: Request) -> Response:
        schema.parse(await request.body())
        return reply(answer)

    return app


def _publish(home: Path, bootstrap: str) -> None:
    """A snapshot of a model that has learned a little; its epoch is above that of any trainer."""
    usage = (event for topic, event in telecom(seed=1) if topic is USAGE)
    model = PlanLinear.candidates["logistic"]()
    for x, y in learning.from_usage(islice(usage, _LESSONS)):
        model.learn_one(x, y)
    pointer = Pointer(
        use_case=PlanLinear.name,
        shard="0",
        epoch=1_000_000,
        n=1,
        candidate="logistic",
        learned=_LESSONS,
        event_time=None,
        metric="MacroF1",
        value=None,
        rolling=None,
        time=datetime.now(UTC).isoformat(),
    )
    Store((home / "store").as_uri()).put_new(pointer.object, seal_model(pointer, model, freshness.KEY.encode()))
    kafka = Kafka(bootstrap_servers=bootstrap)
    ensure_topics(kafka, [MODELS], compacted=True)
    client = producer(kafka)
    client.produce(MODELS, key=pointer.key, value=pointer.encode())
    client.flush()


def _answer(port: int) -> Any:
    """What the model answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", _PREDICT, freshness.BODY)
        answer = json.loads(connection.getresponse().read())
    if answer.get("source") != "model":
        raise SystemExit(f"no model answers: {answer}")
    return answer


@contextmanager
def _bare(answer: str) -> Iterator[int]:
    """The bare routes in a uvicorn of their own, with the settings of `headrace serve`."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.serving:bare", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--no-access-log", "--log-level", "warning"], env={**os.environ, _ANSWER: answer}
    )
    try:
        deadline = time.monotonic() + _START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the bare FastAPI app does not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def _ask(port: int, path: str) -> list[float]:
    """Ask on every connection again as soon as it is answered; how long each answer took."""
    head = f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(freshness.BODY)}\r\n\r\n".encode() + freshness.BODY
    waits: list[float] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        sent: dict[socket.socket, float] = {}
        for _ in range(_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=10))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, connection)
            sent[connection] = time.perf_counter()
            connection.sendall(request)
        end = time.perf_counter() + _ROUND_S
        while time.perf_counter() < end:
            for key, _ in selector.select(1):
                connection = key.data
                _read(connection)
                now = time.perf_counter()
                waits.append(now - sent[connection])
                sent[connection] = now
                connection.sendall(request)
    return waits


def _read(connection: socket.socket) -> None:
    """One answer, whole."""
    data = connection.recv(65_536)
    while (at := data.find(b"\r\n\r\n")) < 0:
        data += _more(connection, data)
    head = data[:at].lower()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(data.decode(errors="replace"))
    length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
    while len(data) < at + 4 + length:
        data += _more(connection, data)


def _more(connection: socket.socket, so_far: bytes) -> bytes:
    more = connection.recv(65_536)
    if not more:
        raise SystemExit(f"the server has closed the connection after {so_far!r}")
    return more


def _median_rate(rounds: list[list[float]]) -> float:
    return sorted(len(waits) for waits in rounds)[len(rounds) // 2] / _ROUND_S
