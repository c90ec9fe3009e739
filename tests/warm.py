"""Commands as processes that begin with everything imported: a test that kills many need not wait for imports.

They are forked from a process that has imported the program and done nothing else; what runs is the program itself.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import cast
from unittest.mock import patch

from tests.support import CommandLine, Running

_IMPORTED = ["headrace.cli", "trainer.service", "serving.app", "uvicorn", "mlflow", "tests.warm"]
_ROOT = Path(__file__).parents[1]
_LOCK = threading.Lock()  # starting one asks after all others, and an exit code can be read but once


def nursery() -> ForkServerContext:
    """Where warm processes come from; the first one waits for its imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    with patch.dict(os.environ, PYTHONHASHSEED="0"):  # commands that learn have it, and it is fixed before imports
        first = context.Process(target=int)
        first.start()
    first.join()
    return context


class WarmLine(CommandLine):
    """`CommandLine` whose background commands are warm."""

    def __init__(self, folder: Path, context: ForkServerContext) -> None:
        """Commands run in `folder`."""
        super().__init__(folder)
        self._context = context

    def start(self, *arguments: str, **environment: str) -> Running:
        if arguments[0] == "archive":  # Polars and delta-rs have threads from their import on: no fork takes them along
            return super().start(*arguments, PYTHONPATH=str(_ROOT), **environment)
        stdout, stderr = self._outputs()
        for path in (stdout, stderr):
            path.touch(mode=0o600)
        clean = self._clean(environment) | {"PYTHONHASHSEED": "0"}
        process = self._context.Process(target=_run, args=(arguments, clean, self.folder, stdout, stderr))
        with _LOCK:
            process.start()
        self.running.append(Running(cast("subprocess.Popen[bytes]", _Warm(process)), stdout, stderr))
        return self.running[-1]


class _Warm:
    """What tests do with a `Popen`."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid: int = process.pid or 0

    def poll(self) -> int | None:
        with _LOCK:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(arguments: Sequence[str], environment: Mapping[str, str], folder: Path, stdout: Path, stderr: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for path, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv = ["headrace", *arguments]
    from headrace.__main__ import main

    main()
