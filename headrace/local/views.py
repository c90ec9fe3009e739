"""What `headrace up` shows: a live table on a terminal, lines now and then elsewhere, or one line for a program."""

import json
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from headrace.board import Board, lines, render

LINES_EVERY_S = 5.0


class View(Protocol):
    """Where the stack's words and numbers go."""

    def say(self, sentence: str) -> None:
        """Tell something that happened."""

    def answered(self, addresses: Mapping[str, str]) -> None:
        """All parts answer."""

    def show(self, board: Board) -> None:
        """Show the numbers of this moment."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Open:
    """A view that needs no opening and closing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class ForPrograms(_Open):
    """One JSON line with the addresses, nothing else on stdout."""

    def say(self, sentence: str) -> None:
        """Sentences go to stderr."""
        sys.stderr.write(f"{sentence}\n")

    def answered(self, addresses: Mapping[str, str]) -> None:
        """The one line."""
        sys.stdout.write(json.dumps(dict(addresses)) + "\n")
        sys.stdout.flush()

    def show(self, board: Board) -> None:
        """Nothing."""


class AsLines(_Open):
    """Plain lines, for a log."""

    def __init__(self) -> None:
        """Begin with a line at once."""
        self._next = 0.0

    def say(self, sentence: str) -> None:
        """One line."""
        sys.stdout.write(f"{sentence}\n")
        sys.stdout.flush()

    def answered(self, addresses: Mapping[str, str]) -> None:
        """The addresses."""
        self.say(", ".join(f"{name} answers at {address}" for name, address in addresses.items()))

    def show(self, board: Board) -> None:
        """The numbers, every few seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINES_EVERY_S
            for line in lines(board):
                self.say(line)


class AsTable:
    """A table that is drawn again every second, with the last things that happened below it."""

    def __init__(self) -> None:
        """Draw on stdout."""
        self._live = Live(console=Console(), auto_refresh=False, vertical_overflow="visible")
        self._notes: deque[str] = deque(maxlen=3)
        self._shown = False

    def say(self, sentence: str) -> None:
        """A line above the table until it is there, then below it."""
        if self._shown:
            self._notes.append(f"{time.strftime('%H:%M:%S')} {sentence}")
        else:
            self._live.console.print(sentence, style="dim", markup=False, highlight=False)

    def answered(self, addresses: Mapping[str, str]) -> None:
        """The table shows the addresses all the time."""

    def show(self, board: Board) -> None:
        """Draw."""
        self._shown = True
        self._live.update(render(replace(board, notes=tuple(self._notes)), self._live.console.width), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._shown = False
