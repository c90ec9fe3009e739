import socket
import subprocess
import sys

from headrace.local.ports import free_port


def test_the_preferred_port_is_taken_when_it_is_free():
    port = free_port()
    assert free_port(port) == port


def test_a_port_that_somebody_listens_on_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as other:
        used = other.getsockname()[1]
        assert free_port(used) != used


def test_a_port_that_somebody_listens_on_at_every_address_is_passed_over():
    with socket.create_server(("0.0.0.0", 0)) as other:  # noqa: S104  # the point of the test
        used = other.getsockname()[1]
        assert free_port(used) != used


def test_a_port_in_use_by_a_sibling_is_passed_over():
    port = free_port()
    assert free_port(port, taken=frozenset({port})) != port


def test_connections_that_an_earlier_server_left_behind_do_not_hold_its_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the server's side closes first: its port goes into TIME_WAIT
    client.close()
    assert free_port(port) == port


def test_a_port_that_another_of_ours_is_about_to_use_is_passed_over_until_it_ends():
    port = free_port()
    code = f"from headrace.local.ports import free_port; print(free_port({port}), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == port
        assert free_port(port) != port
        other.communicate("\n")
    assert free_port(port) == port
