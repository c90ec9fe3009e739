"""`make bench`: every benchmark, one after the other, on a real broker of its own."""

import platform
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks import checkpoint, learning, recovery
from headrace.local.kafka import LocalKafka


def main() -> None:
    """Print one table a benchmark."""
    print(f"Python {platform.python_version()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB")
    chosen = sys.argv[1:] or ["learning", "checkpoint", "recovery"]
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as broker:
        for name, module in (("learning", learning), ("checkpoint", checkpoint), ("recovery", recovery)):
            if name in chosen:
                module.run(Path(folder), broker.bootstrap)


if __name__ == "__main__":
    main()
