"""A server that runs on this machine as a child process: started, asked until it answers, stopped."""

import time
from types import TracebackType
from typing import Self

from headrace.local import processes
from headrace.local.processes import Child
from streaming.errors import HeadraceError


class LocalServer:
    """Used as a context manager or step by step; `start` after `stop` or `kill` brings it back on the same port.

    One of its kind sets `name`, `start_s` and, in its `__init__`, `child`, and says how it is `reachable`.
    """

    name: str
    """As people write it."""
    start_s: float
    """How long it may take until it answers."""
    child: Child

    def prepare(self) -> None:
        """Make what it needs on disk."""

    def reachable(self) -> bool:
        """Whether this server of ours, and not another one on its port, answers clients."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and return when it answers."""
        self.prepare()
        self.child.start()
        while not self.answers():
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether clients are answered; an error when it has ended, or says nothing for too long."""
        if not self.child.alive:
            how = self.child.how_it_ended()
            raise HeadraceError(f"{self.name} did not start ({how}): {self.child.last_words()}")
        if self.reachable():
            return True
        if time.monotonic() - self.child.started > self.start_s:
            raise HeadraceError(f"{self.name} did not answer within {self.start_s:.0f} s: {self.child.last_words()}")
        return False

    def stop(self) -> None:
        """Stop it in order."""
        processes.stop([self.child])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.child.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # Ctrl-C too: nobody else ends it
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
