"""Child processes of this one: each with its log, none outlives us, what dies is started again up to a limit."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streaming.errors import HeadraceError

STOP_S = 10.0
"""What a process gets between SIGTERM and SIGKILL."""
_TETHER = Path(__file__).with_name("tether.py")
_LOG_LIMIT = 10_000_000
_TAIL = 16_384
_TELLING = re.compile(r"error|fatal|exception|^caused by: |^headrace: |^\w+\.[\w.$]+: ", re.IGNORECASE)
_JAVA_CLASS = re.compile(r"^(Caused by: )?(\w+\.)+[\w$]+: ")


def tethered(command: Sequence[str | Path]) -> list[str]:
    """The command wrapped so that it dies with us; start it from a thread that lives as long as we do."""
    return [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *map(str, command)]


class Child:
    """One child process in a session of its own (Ctrl-C is ours to pass on), its output appended to a log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Prepare it; `environment` is added to ours."""
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment or {}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.started = 0.0
        """When it was last started (monotonic seconds)."""

    def start(self) -> None:
        """Start it, or start it again."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.rename(self.log.with_name(self.log.name + ".old"))
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self.started = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603  # commands that we made ourselves
                tethered(self._command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                cwd=self._folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Its process id, once started."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended within that time."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        self.wait(STOP_S)

    def how_it_ended(self) -> str:
        """Its end in words: `exit code 1` or `SIGKILL`."""
        code = self._process.poll() if self._process else None
        if code is None:
            return "it runs"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def last_words(self) -> str:
        """The last meaningful line of its log since its start, and where to read on."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                begin = self._log_start if self._log_start <= size else 0
                file.seek(max(begin, size - _TAIL))
                text = file.read().decode(errors="replace")
        except OSError:
            text = ""
        line, where = meaningful(text), os.path.relpath(self.log)
        return f"{line} (more in {where})" if line else f"its log is empty ({where})"


def meaningful(text: str) -> str:
    """The last line of a log that tells a reason: an error if there is one, never a stack frame.

    Of Java's nested exceptions it is the innermost, in the words of an outer one that repeats it and says more.

    >>> meaningful("INFO started\\nERROR cannot bind\\n    at java.net.Socket\\nINFO bye\\n")
    'ERROR cannot bind'
    >>> meaningful("java.lang.IllegalState: cannot bind 9092: in use\\nCaused by: java.net.Bind: in use\\n")
    'cannot bind 9092: in use'
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line[0].isspace()]
    telling = [_JAVA_CLASS.sub("", line) for line in lines if _TELLING.search(line)]
    chosen = (telling or lines or [""])[-1]
    for line in reversed(telling):
        if chosen not in line:
            break
        chosen = line
    return chosen if len(chosen) <= 300 else chosen[:297] + "..."


def stop(children: Iterable[Child], limit_s: float = STOP_S) -> None:
    """SIGTERM to all of them, and SIGKILL to those that still run after the limit."""
    running = [child for child in children if child.alive]
    for child in running:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + limit_s
    for child in running:
        if not child.wait(deadline - time.monotonic()):
            child.kill()


@dataclass
class Restarts:
    """How often one child may be started again: `limit` times in `window_s` seconds, after longer and longer pauses."""

    limit: int = 5
    window_s: float = 60.0
    first_pause_s: float = 0.5
    count: int = 0
    """Restarts since the beginning."""
    _at: list[float] = field(default_factory=list)

    def pause_s(self, now: float) -> float | None:
        """How long to wait before the next start, or None when the limit is reached."""
        self._at = [at for at in self._at if now - at < self.window_s]
        if len(self._at) >= self.limit:
            return None
        pause: float = self.first_pause_s * 2 ** len(self._at)
        self._at.append(now + pause)
        self.count += 1
        return pause


@dataclass
class _Watched:
    child: Child
    restarts: Restarts
    needed: bool
    due: float | None = None
    left_alone: bool = False


class Supervisor:
    """Groups of children: started in order, watched, stopped in the reverse order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self._clock = clock
        self._groups: list[list[_Watched]] = []

    def start(self, children: Iterable[Child], *, needed: bool = True) -> None:
        """Start a group: its members stop together, before the groups that were started earlier.

        What is not `needed` is left alone when it dies again and again.
        """
        group: list[_Watched] = []
        self._groups.append(group)
        for child in children:
            group.append(_Watched(child, Restarts(), needed))
            child.start()

    def check(self) -> list[str]:
        """Start again what has died and is due; what was noticed, in sentences.

        An error names the child that dies again and again, when it is needed.
        """
        now, noticed = self._clock(), []
        for watched in self._all():
            if watched.child.alive or watched.left_alone:
                continue
            if watched.due is None:
                noticed.append(self._plan(watched, now))
            if watched.due is not None and now >= watched.due:
                watched.due = None
                watched.child.start()
        return noticed

    def left_alone(self, child: Child) -> bool:
        """Whether it died so often that it is not started again."""
        return any(watched.left_alone for watched in self._all() if watched.child is child)

    def states(self) -> dict[str, str]:
        """Every child's state in words, by name."""
        return {watched.child.name: _state(watched) for watched in self._all()}

    def stop(self, limit_s: float = STOP_S) -> None:
        """Stop everything, the last group first."""
        while self._groups:
            stop((watched.child for watched in self._groups[-1]), limit_s)
            self._groups.pop()

    def _plan(self, watched: _Watched, now: float) -> str:
        """Set when it is to be started again, if it is; in words."""
        pause, ended = watched.restarts.pause_s(now), _ended(watched.child)
        if pause is not None:
            watched.due = now + pause
            return f"{ended}; it is started again in {pause:g} s"
        often = f"{watched.restarts.limit} times within {watched.restarts.window_s:.0f} s before"
        if watched.needed:
            raise HeadraceError(f"{ended}; it was started again {often}, so everything stops")
        watched.left_alone = True
        return f"{ended}; it was started again {often}, so it is left alone: the others run on"

    def _all(self) -> list[_Watched]:
        return [watched for group in self._groups for watched in group]


def _ended(child: Child) -> str:
    """A signal came from outside and needs no reason; an exit code has one in the log."""
    how = child.how_it_ended()
    return f"`{child.name}` ended ({how})" + ("" if how.startswith("SIG") else f": {child.last_words()}")


def _state(watched: _Watched) -> str:
    count = watched.restarts.count
    again = f", restarted {count} time{'s' if count > 1 else ''}" if count else ""
    return (f"pid {watched.child.pid}" if watched.child.alive else f"down ({watched.child.how_it_ended()})") + again
