"""What the whole `headrace up` takes: memory of each process, and seconds until a model answers."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import freshness
from headrace.local.ports import LOOPBACK

_RUN_S = 40.0
_ANSWER_S = 120.0
_STOP_S = 30.0
_MB = 1 << 20
_WORDS = {"kafka.Kafka": "kafka", "valkey": "valkey", "mlflow": "mlflow"}


@dataclass(frozen=True)
class Taken:
    """The memory of one process, MB."""

    name: str
    pss: float
    """Its share of what several processes hold together, so that shares add up."""
    rss: float


def run(folder: Path, _bootstrap: str) -> None:
    """Start everything in a folder of its own, with nothing set."""
    home = folder / "up"
    home.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "MLFLOW_", "AWS_"))
    }
    command = [sys.executable, "-m", "headrace", "up", "--json"]
    began = time.monotonic()
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=log)
    family: list[psutil.Process] = []
    try:
        first_s = _first_answer(process, began)
        json.loads(process.stdout.readline() if process.stdout else b"")  # the addresses: everything answers
        all_s = time.monotonic() - began
        time.sleep(max(0.0, began + _RUN_S - time.monotonic()))
        family, at_s = _family(process.pid), time.monotonic() - began
        taken = sorted(_taken(family), key=lambda one: -one.pss)
    except (SystemExit, json.JSONDecodeError):
        raise SystemExit((home / "up.log").read_text()) from None
    finally:
        stop_s = _stop(process)
    left = [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    _show(taken, at_s, first_s, all_s)
    print(f"SIGINT: ended in {stop_s:.1f} s with code {process.returncode}, processes left: {len(left)}")
    if left:
        raise SystemExit(f"left running: {left}")


def _show(taken: list[Taken], at_s: float, first_s: float, all_s: float) -> None:
    print(f"\nmemory: the whole `headrace up` (plan and churn at 200 events/s) after {at_s:.0f} s, MB")
    print(f"{'process':<28}{'PSS':>8}{'RSS':>8}")
    for one in taken:
        print(f"{one.name:<28}{one.pss:>8.0f}{one.rss:>8.0f}")
    print(f"{'together':<28}{sum(one.pss for one in taken):>8.0f}{sum(one.rss for one in taken):>8.0f}")
    print(f"first answer by a model after {first_s:.1f} s, every part answers after {all_s:.1f} s")


def _first_answer(process: "subprocess.Popen[bytes]", began: float) -> float:
    """Seconds until `plan` is answered by a model and not by its rules."""
    while time.monotonic() < began + _ANSWER_S:
        if process.poll() is not None:
            break
        port = _api_port(process.pid)
        if port and _source(port) == "model":
            return time.monotonic() - began
        time.sleep(0.05)
    raise SystemExit("no model answers")


def _api_port(pid: int) -> int | None:
    """The port that the API was told to take: the addresses are printed only when everything answers."""
    for one in _family(pid):
        with contextlib.suppress(psutil.Error):
            words = one.cmdline()
            if "serve" in words and "--port" in words:
                return int(words[words.index("--port") + 1])
    return None


def _source(port: int) -> str | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("POST", "/v1/plan/predict", freshness.BODY)
        source: str | None = json.loads(connection.getresponse().read()).get("source")
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return None
    finally:
        connection.close()
    return source


def _family(pid: int) -> list[psutil.Process]:
    """The process and all below it."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _taken(family: list[psutil.Process]) -> list[Taken]:
    found = []
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # a checkpoint's child may have ended meanwhile
            memory = one.memory_full_info()
            found.append(Taken(_name(one), memory.pss / _MB, memory.rss / _MB))
    return found


def _name(process: psutil.Process) -> str:
    """What a person calls it."""
    words = process.cmdline()
    if "headrace" in words:
        return "headrace " + " ".join(words[words.index("headrace") + 1 :])
    line = " ".join(words)
    return next((name for word, name in _WORDS.items() if word in line), process.name())


def _stop(process: "subprocess.Popen[bytes]") -> float:
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return time.monotonic() - began
