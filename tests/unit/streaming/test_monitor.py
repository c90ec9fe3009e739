"""The small port of trainer and archive."""

import http.client
import os
import socket

import pytest

from streaming import metrics
from streaming.errors import HeadraceError
from streaming.monitor import Pulse, Server
from streaming.settings import Monitor


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
