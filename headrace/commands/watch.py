"""`headrace watch`: the live numbers in the terminal."""

import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headrace.local.views import View
    from headrace.status import Newest

_TICK_S = 1.0


def command(
    use_cases: Annotated[list[str] | None, typer.Argument(help="Use cases; all that learn by default.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the numbers of this moment and end.")] = False,
) -> None:
    """Show what trainers and archive tell of themselves, each second, wherever they run; Ctrl-C ends it."""
    from headrace.local.views import AsLines, AsTable
    from headrace.status import StatusReader
    from streaming.kafka import wait_for_kafka
    from streaming.settings import load_settings

    settings = load_settings()
    wait_for_kafka(settings.kafka)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reader = StatusReader(settings.kafka)
    view = AsTable() if sys.stdout.isatty() and not once else AsLines()
    try:
        _watch(reader.read, view, use_cases or [], once=once)
    except KeyboardInterrupt:
        return
    finally:
        reader.close()


def _watch(read: Callable[[float], "Newest"], view: "View", use_cases: list[str], *, once: bool) -> None:
    from headrace.board import Board

    with view:
        while True:
            began = time.monotonic()
            newest = read(5 * _TICK_S if once else _TICK_S)
            heard = [one for one in newest.heard() if not use_cases or one.status.use_case in use_cases]
            archived = [] if use_cases else newest.archives()
            view.show(Board(now=time.time(), heard=heard, expected=use_cases, archived=archived))
            if once:
                return
            time.sleep(max(0.0, began + _TICK_S - time.monotonic()))
