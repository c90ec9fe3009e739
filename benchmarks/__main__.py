"""`make bench`: every benchmark, one after the other, on a real broker of its own."""

import importlib
import multiprocessing
import platform
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks import archive, checkpoint, freshness, instruments, learning, memory, recovery, replay, serving, soak
from headrace.local.kafka import LocalKafka

BENCHMARKS = {
    "learning": learning,
    "instruments": instruments,
    "checkpoint": checkpoint,
    "recovery": recovery,
    "archive": archive,
    "replay": replay,
    "freshness": freshness,
    "serving": serving,
    "memory": memory,
    "soak": soak,
}
_ONLY_BY_NAME = {"soak"}
"""Minutes of them."""
_OF_QUALITY = {
    "real": "benchmarks.real_data.table",
    "use-cases": "benchmarks.figures",
    "reasons": "benchmarks.reasons",
    "lifecycle": "benchmarks.lifecycle",
}
"""Modules with a `main` of their own, by the word that calls them."""


def main() -> None:
    """Print one table a benchmark; those of quality, not of speed, come by name alone and need no broker."""
    if sys.argv[1:2] and sys.argv[1] in _OF_QUALITY:
        importlib.import_module(_OF_QUALITY[sys.argv[1]]).main(sys.argv[2:])
        return
    print(f"Python {platform.python_version()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB")
    chosen = sys.argv[1:] or [name for name in BENCHMARKS if name not in _ONLY_BY_NAME]
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as broker:
        for name, module in BENCHMARKS.items():
            if name in chosen:
                # Each in a process of its own: what one leaves in memory would be forked and counted in the next.
                process = multiprocessing.get_context("spawn").Process(
                    target=module.run, args=(Path(folder), broker.bootstrap)
                )
                process.start()
                process.join()
                if process.exitcode:
                    sys.exit(f"{name} failed")


if __name__ == "__main__":
    main()
