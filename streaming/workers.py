"""Process metrics of a parent with its workers, as one: each scrape is answered by another worker."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Workers(Collector):
    """CPU, memory and open files of a process and its children, under prometheus_client's own names."""

    def __init__(self, parent: int) -> None:
        """`parent` is a process id."""
        self._parent = parent

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """By /proc; nothing where there is none."""
        cpu_s = memory = files = 0.0
        for folder in self._folders():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                own, ended = fields[11:13], fields[13:15]  # what has ended is counted by the parent alone
                cpu_s += sum(map(int, own + (ended if folder.name == str(self._parent) else []))) / _TICKS
                memory += int(fields[21]) * _PAGE
                files += sum(1 for _ in (folder / "fd").iterdir())
        yield CounterMetricFamily("process_cpu_seconds", "CPU time of all workers.", value=cpu_s)
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of all workers.", value=memory)
        yield GaugeMetricFamily("process_open_fds", "Open files of all workers.", value=files)

    def _folders(self) -> list[Path]:
        parent = Path("/proc", str(self._parent))
        with suppress(OSError):
            children = (parent / "task" / str(self._parent) / "children").read_text().split()
            return [parent, *(Path("/proc", child) for child in children)]
        return []
