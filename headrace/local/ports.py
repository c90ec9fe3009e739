"""Ports on this machine: which are free, and whether a server answers at one."""

import errno
import fcntl
import http.client
import os
import socket
import tempfile
from pathlib import Path

LOOPBACK = "127.0.0.1"
_reserved: dict[int, int] = {}


def free_port(preferred: int = 0, *, taken: frozenset[int] = frozenset()) -> int:
    """The preferred port when nobody listens there, or is about to, and it is not in `taken`; else any free one."""
    if preferred and preferred not in taken and _is_free(preferred) and _reserve(preferred):
        return preferred
    while (port := _any_port()) in taken:
        pass
    return port


def answers(port: int, path: str) -> bool:
    """Whether a server there says 200 to a GET, within a second."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_free(port: int) -> bool:
    """Whether we could listen there; connections that an earlier server left behind do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def _reserve(port: int) -> bool:
    """Keep others of ours off a usual port until this process ends: two that begin at once both find it free."""
    if port in _reserved:
        return True
    try:
        file = Path(tempfile.gettempdir()) / f"headrace-port-{port}"
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:  # of another user, or on a full disk: then nothing is reserved
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _reserved[port] = lock
    return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
