"""`headrace serve` refuses what is wrong before anything is contacted, and leaves quietly."""

import re
import signal
import socket
import urllib.error
import urllib.request

import pytest

from headrace.commands.serve import _is_loopback
from tests.support import wait_for

NOWHERE = {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104  # the address that must be refused
        ("::", False),
        ("10.0.0.7", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host, own):
    """A name that anyone may define is not."""
    assert _is_loopback(host) is own


def test_other_machines_are_refused(cli):
    """One sentence, exit 1, nothing made."""
    done = cli("serve", "--host", "0.0.0.0", **NOWHERE)  # noqa: S104
    assert done.returncode == 1
    assert re.fullmatch(r"headrace: 0\.0\.0\.0 can be reached by other machines.*\n", done.stderr)
    assert not (cli.folder / ".headrace").exists()


def test_a_port_in_use_is_one_sentence(cli):
    """With the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("serve", "--port", str(port), **NOWHERE)
    assert done.returncode == 1
    assert done.stderr == f"headrace: 127.0.0.1:{port} cannot be listened on: address already in use\n"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_kafka_it_is_alive_and_stops_with_exit_0(cli, workers):
    """Liveness depends on nothing, readiness says what is missing; SIGTERM ends it within seconds."""
    server = cli.start("serve", "--port", "0", "--workers", workers, **NOWHERE)
    found = wait_for(lambda: re.search(r"http://\S+:\d+", server.complained), timeout_s=60, what="the address")
    url = found.group().removesuffix("\x1b[0m")
    wait_for(lambda: status(f"{url}/livez") == 200, timeout_s=60, what="an answer")
    assert status(f"{url}/readyz") == 503
    assert status(f"{url}/metrics") == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.finish(20) == 0
    assert "Traceback" not in server.complained


def status(url: str) -> int:
    """The status of a GET; 0 where nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0
