"""Failpoints: moments before and after a step at which a test ends or stops this process.

    HEADRACE_FAILPOINT=put-checkpoint:after          SIGKILL there
    HEADRACE_FAILPOINT=learn:before:3                when it comes there for the third time
    HEADRACE_FAILPOINT=put-snapshot:after:1:stop     SIGSTOP instead

For tests alone: it is read from the environment and from no file. Nothing is armed otherwise, and a step then costs one
look at a global; `each` gives back the function itself.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import ParamSpec, TypeVar

from streaming.errors import HeadraceError

SETTING = "HEADRACE_FAILPOINT"
STEPS = {
    "put-claim": "a starting trainer puts its claim",
    "poll": "the trainer fetches records",
    "learn": "the learner uses one moment",
    "fork": "a child is forked to write a checkpoint or a snapshot",
    "deliver-letters": "dead letters are flushed before a checkpoint that covers them",
    "send-letters-back": "the records of dead letters are sent back to their topic",
    "put-checkpoint": "a checkpoint is put",
    "prune-checkpoint": "a checkpoint that is too old is deleted",
    "commit-offsets": "the trainer tells Kafka its offsets",
    "put-snapshot": "a snapshot is put",
    "publish-pointer": "the pointer to a snapshot is sent",
    "register": "a version is made in MLflow",
    "move-aliases": "aliases are moved in MLflow",
    "open-table": "the archive opens a table",
    "poll-archive": "the archive fetches records",
    "write-delta": "rows and offsets are committed to a table",
    "commit-archived": "the archive tells Kafka its offsets",
    "compact-table": "small files of a table are put together",
}
"""Every step, named here once: what happens between its `before` and its `after`."""

_MOMENTS = "before", "after"
_ACTIONS = "kill", "stop"

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass
class Trap:
    """Where this process ends or stops."""

    step: str
    moment: str
    count: int = 1
    action: str = "kill"
    pid: int = field(default_factory=os.getpid)
    """Children that are forked later walk past."""

    def reach(self, step: str, moment: str) -> None:
        """End or stop the process if this is the place, and the last time to come here."""
        if (step, moment) != (self.step, self.moment) or os.getpid() != self.pid:
            return
        self.count -= 1
        if self.count == 0:
            # To this very thread: sent to the process, it could go on for a while before another thread stops it.
            signal.pthread_kill(threading.get_ident(), signal.SIGKILL if self.action == "kill" else signal.SIGSTOP)


class failpoint:  # noqa: N801  # reads as the statement it is: `with failpoint("learn"):`
    """The place of a step in the code; an error inside is no `after`."""

    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        """`step` is one of `STEPS`."""
        self._step = step

    def __enter__(self) -> None:
        if _trap is not None:
            _trap.reach(self._step, "before")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _trap is not None and kind is None:
            _trap.reach(self._step, "after")


def each(step: str, function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function with the step around every call of it; the function itself while nothing is armed."""
    if _trap is None:
        return function

    def stepped(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with failpoint(step):
            return function(*args, **kwargs)

    return stepped


def arm(text: str) -> None:
    """Set the trap that `text` describes, or none when it is empty; a mistake is a sentence."""
    global _trap  # noqa: PLW0603  # one process, one trap
    _trap = _read(text) if text else None
    if _trap is not None:
        sys.stderr.write(f"headrace: {SETTING} is set, for a test: this process will {_trap.action} itself at {text}\n")


def _read(text: str) -> Trap:
    step, moment, count, action = [*text.split(":"), "", "", ""][:4]
    action = action or "kill"
    for name, got, known in (("step", step, STEPS), ("moment", moment, _MOMENTS), ("action", action, _ACTIONS)):
        if got not in known:
            raise HeadraceError(f"{SETTING}: there is no {name} {got!r}; there are {', '.join(known)}")
    if not (count or "1").isdigit() or int(count or 1) < 1 or text.count(":") > 3:
        raise HeadraceError(f"{SETTING} must be step:moment[:count[:action]] with a count of at least 1, got {text!r}")
    return Trap(step, moment, int(count or 1), action)


_trap: Trap | None = None
