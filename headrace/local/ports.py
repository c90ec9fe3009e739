"""Free ports on this machine."""

import errno
import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int = 0, *, taken: frozenset[int] = frozenset()) -> int:
    """The preferred port when nobody listens there and it is not in `taken`, else any free one."""
    if preferred and preferred not in taken and _is_free(preferred):
        return preferred
    while (port := _any_port()) in taken:
        pass
    return port


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


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
