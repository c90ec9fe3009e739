"""The small port of trainer and archive."""

import http.client
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest
from structlog.testing import capture_logs

from streaming import metrics, monitor
from streaming.errors import HeadraceError
from streaming.monitor import Pulse, Server
from streaming.settings import Monitor
from tests.support import wait_for


def ask(server, path):
    """Status and body."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_metrics_are_shown_with_process_and_build():
    """What a scrape reads."""
    with Server(Monitor(port=0), metrics.ARCHIVE, lambda: None) as server:
        status, text = ask(server, "/metrics")
    assert status == 200
    assert "process_resident_memory_bytes" in text
    assert 'headrace_build_info{python="3' in text
    assert 'service="archive"' in text


def test_a_service_shows_nothing_that_it_has_not_set():
    """A 0 of another service's gauge would be a lie on its panel."""
    program = """
import streaming.archiver, streaming.monitor, trainer.service
from prometheus_client import REGISTRY
print(sorted(one.name for family in REGISTRY.collect() for one in family.samples if one.name.startswith("headrace")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_service_is_ready_once_its_loop_turns():
    """And alive before."""
    pulse = Pulse()
    with Server(Monitor(port=0), metrics.TRAINER, lambda: pulse) as server:
        assert (ask(server, "/readyz")[0], ask(server, "/livez")[0]) == (503, 200)
        pulse.beat()
        assert (ask(server, "/readyz")[0], ask(server, "/livez")[0]) == (200, 200)
        assert ask(server, "/elsewhere")[0] == 404


def test_a_loop_that_does_not_turn_is_not_alive():
    """After five minutes."""
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    pulse.beat()
    now[0] = 299.0
    assert pulse.alive
    now[0] = 301.0
    with Server(Monitor(port=0), metrics.TRAINER, lambda: pulse) as server:
        assert ask(server, "/livez")[0] == 503


def test_a_child_that_outlives_its_parent_does_not_hold_the_port():
    """A checkpoint's child goes on writing when the trainer is killed."""
    with Server(Monitor(port=0), metrics.TRAINER, lambda: None) as server:
        port = int(server.url.rpartition(":")[2])
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(read, 1)
            os._exit(0)
    try:
        with Server(Monitor(port=port), metrics.TRAINER, lambda: None) as successor:
            assert ask(successor, "/livez")[0] == 200
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_a_port_that_is_taken_is_one_sentence():
    """It names the setting."""
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(HeadraceError, match="HEADRACE_MONITOR__PORT: .* cannot be listened on"):
        Server(Monitor(port=taken.getsockname()[1]), metrics.TRAINER, lambda: None)
    with Server(Monitor(port=0), metrics.TRAINER, lambda: None):  # nothing was left behind
        pass


def connect(server) -> socket.socket:
    """A client that speaks for itself."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def closed(client: socket.socket) -> bool:
    """Whether the server lets go of it, sooner or later."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def idle() -> bool:
    """Nothing is being answered."""
    return not any("process_request_thread" in thread.name for thread in threading.enumerate())


def test_head_is_answered_without_a_body_and_a_query_is_ignored():
    """As probes and proxies ask."""
    with Server(Monitor(port=0), metrics.TRAINER, Pulse) as server:
        with connect(server) as client:
            client.sendall(b"HEAD /metrics HTTP/1.1\r\n\r\n")
            whole = b"".join(iter(lambda: client.recv(65536), b""))
        assert whole.startswith(b"HTTP/1.0 200 ")
        assert whole.endswith(b"\r\n\r\n")
        assert ask(server, "/livez?verbose") == (200, "alive\n")
        assert "headrace_build_info" in ask(server, "/metrics?x=1")[1]


def test_a_client_that_goes_away_writes_nothing_into_the_log(capsys):
    """A traceback between lines of JSON is none of them."""
    gone = threading.Event()

    def pulse():
        gone.wait(30)

    with Server(Monitor(port=0), metrics.TRAINER, pulse) as server, capture_logs() as said:
        client = connect(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_for(lambda: not idle())
        client.close()
        gone.set()
        wait_for(idle)
    assert (capsys.readouterr().err, said) == ("", [])


def test_a_fault_of_our_own_is_one_line_of_the_log(capsys):
    """With its traceback as a field."""

    def pulse():
        raise ValueError("broken")

    with Server(Monitor(port=0), metrics.TRAINER, pulse) as server, capture_logs() as said:
        with pytest.raises(http.client.HTTPException):
            ask(server, "/livez")
        wait_for(idle)
    assert capsys.readouterr().err == ""
    assert [(line["event"], line["exc_info"]) for line in said] == [
        ("a request to the monitor's port failed: its connection is closed", True)
    ]


def test_connections_beyond_the_sixteenth_are_closed_at_once(monkeypatch):
    """Before any time is out; and there is room again when the others have gone."""
    monkeypatch.setattr(monitor, "_TIMEOUT_S", 600.0)
    with Server(Monitor(port=0), metrics.TRAINER, Pulse) as server:
        clients = [connect(server) for _ in range(20)]
        assert all(closed(client) for client in clients[16:])
        assert sum("process_request_thread" in thread.name for thread in threading.enumerate()) <= 16
        for client in clients:
            client.close()
        wait_for(idle)
        assert ask(server, "/livez")[0] == 200


def test_a_request_that_does_not_go_on_is_given_up(monkeypatch):
    """It must not hold its thread."""
    monkeypatch.setattr(monitor, "_TIMEOUT_S", 0.05)
    with Server(Monitor(port=0), metrics.TRAINER, Pulse) as server, connect(server) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert closed(client)
        wait_for(idle)
