"""Processes that are killed at random moments and started again, each by a thread of its own."""

import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
import orjson

from tests.support import CommandLine, Running

_KAFKA_AWAY = "headrace: Kafka "
_BEGIN_S = 300.0
Order = tuple[int, int]
"""Epoch and number of a snapshot."""


@dataclass
class Victim:
    """One command; `begun` is what it says on stderr once it is at work."""

    name: str
    command: tuple[str, ...]
    begun: str
    line: CommandLine
    seed: int
    longest_s: float
    """How long it may live at work."""
    after_kill: Callable[[], None] = lambda: None
    kills: int = 0
    at_work: int = 0
    """Kills of a process that had begun."""
    gave_up: int = 0
    """It ended by itself, because it was started while Kafka was away."""
    finished: bool = False
    """It came to the end of what there was, and ended in order."""
    failures: list[str] = field(default_factory=list)

    def haunt(self, stopped: threading.Event) -> None:
        """Start it, let it live for a while, kill it, over and over; any other end than ours is noted, and ends all."""
        try:
            self._haunt(stopped)
        except Exception:  # noqa: BLE001  # in a thread: told with the findings
            self.failures.append(traceback.format_exc())
        finally:
            stopped.set()

    def _haunt(self, stopped: threading.Event) -> None:
        chance = random.Random(f"{self.seed} {self.name}")
        while not (stopped.is_set() or self.failures or self.finished):
            running = self.line.start(*self.command)
            early = chance.random() < 0.1
            span_s = chance.uniform(0, self.longest_s)
            if early:
                stopped.wait(span_s)
            elif self._begins(running, stopped):
                self.live(running, span_s, stopped)
            self._kill(running)

    def live(self, running: Running, span_s: float, stopped: threading.Event) -> None:
        """Wait for so long, while it works."""
        stopped.wait(span_s)

    def _begins(self, running: Running, stopped: threading.Event) -> bool:
        deadline = time.monotonic() + _BEGIN_S
        while running.process.poll() is None and not stopped.is_set():
            if self.begun in running.complained:
                return True
            if time.monotonic() > deadline:
                self.failures.append(f"{self.name} did not begin within {_BEGIN_S:.0f} s: {running.complained}")
                return False
            stopped.wait(0.01)
        return False

    def _kill(self, running: Running) -> None:
        running.process.kill()
        code = running.process.wait()
        if code == -signal.SIGKILL:
            self.kills += 1
            self.at_work += self.begun in running.complained
            self.after_kill()
        elif code == 0 and "--until-end" in self.command:
            self.finished = True
        elif code == 1 and running.complained.splitlines()[-1].startswith(_KAFKA_AWAY):
            self.gave_up += 1
        else:
            self.failures.append(f"{self.name} ended with {code}: {running.complained[-2_000:]}")


@dataclass
class Api(Victim):
    """The API, which is asked all the time that it lives: no answer may be by an older snapshot than one before."""

    port: int = 0
    answers: Counter[Order] = field(default_factory=Counter)
    """How many by each snapshot."""
    stale: list[str] = field(default_factory=list)
    newest: Order = (0, 0)

    def live(self, running: Running, span_s: float, stopped: threading.Event) -> None:
        """Its time begins with its first answer."""
        until = time.monotonic() + _BEGIN_S
        answered = False
        with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=5) as client:
            while time.monotonic() < until and not stopped.is_set() and running.process.poll() is None:
                if self.ask(client) and not answered:
                    answered, until = True, time.monotonic() + span_s
                stopped.wait(0.02)

    def ask(self, client: httpx2.Client) -> Order | None:
        """One prediction; None while there is none to be had."""
        try:
            if client.get("/readyz").status_code != 200:
                return None
            answer = client.post("/v1/parcels/predict", json={"km": 1_234.5, "express": True})
        except httpx2.HTTPError:
            return None
        if answer.status_code != 200:
            return None
        epoch, n = orjson.loads(answer.content)["model"]["snapshot"].split("-")
        order = (int(epoch), int(n))
        self.answers[order] += 1
        if order < self.newest:
            self.stale.append(f"{order} after {self.newest}")
        self.newest = max(self.newest, order)
        return order
