"""`headrace serve`: the prediction API."""

import ipaddress
import os
import signal
import socket
import tempfile
from typing import Annotated

import typer

from streaming.errors import HeadraceError

_GRACE_S = 10
_BACKLOG = 2048


def command(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer; they share nothing but Kafka.")] = 1,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen for other machines without keys.")] = False,
) -> None:
    """Serve predictions over HTTP; Ctrl-C or SIGTERM stops it once the requests in hand are answered."""
    from streaming.logs import set_up_logs
    from streaming.settings import load_settings
    from streaming.signing import signing_key
    from usecases.registry import load_use_cases

    settings = load_settings()
    if not insecure and not _is_loopback(host):
        raise HeadraceError(
            f"{host} can be reached by other machines, and requests are not checked for keys: "
            "listen on 127.0.0.1, or say --insecure"
        )
    with _listen(host, port) as listener:
        signing_key(settings)  # a setting or a use case that is wrong is said here, once for all workers
        load_use_cases(settings)
        set_up_logs(settings.logs, service="api")
        _serve(listener, workers)


def _serve(listener: socket.socket, workers: int) -> None:
    """Run until told to stop."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)  # uvicorn raises the signal again once all is answered: that is exit 0
    if workers == 1:
        _run(listener, 1)
        return
    with tempfile.TemporaryDirectory(prefix="headrace-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by each worker as it starts
        _run(listener, workers)


def _run(listener: socket.socket, workers: int) -> None:
    import structlog
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(
        "serving.app:from_environment",
        factory=True,
        workers=workers,
        access_log=False,
        log_config=None,  # our own form; libraries tell warnings alone
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
    )
    host, port = listener.getsockname()[:2]
    structlog.get_logger().info("the API listens", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise HeadraceError("the API did not start; the reason is in the lines above")


def _listen(host: str, port: int) -> socket.socket:
    """A socket on the address, or one sentence why not."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise HeadraceError(f"{host}:{port} cannot be listened on: {reason[:1].lower()}{reason[1:]}") from None
    # An answer must not wait for the client's acknowledgement of the one before; connections inherit it from here.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.set_inheritable(True)
    return listener


def _is_loopback(host: str) -> bool:
    """Whether every address that the name stands for is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
