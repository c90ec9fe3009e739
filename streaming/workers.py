"""Process metrics of a parent with its workers, as one: each scrape is answered by another worker."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Workers(Collector):
    """A process and its children added up, under prometheus_client's own names; the start is that of the newest."""

    def __init__(self, parent: int) -> None:
        """`parent` is a process id."""
        self._parent = parent

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """By /proc; nothing where there is none."""
        cpu_s = memory = virtual = files = most = started = 0.0
        for folder in self._folders():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                own, ended = fields[11:13], fields[13:15]  # what has ended is counted by the parent alone
                cpu_s += sum(map(int, own + (ended if folder.name == str(self._parent) else []))) / _TICKS
                started = max(started, int(fields[19]) / _TICKS)
                virtual += int(fields[20])
                memory += int(fields[21]) * _PAGE
                files += sum(1 for _ in (folder / "fd").iterdir())
                most += _most_files(folder)
        yield CounterMetricFamily("process_cpu_seconds", "CPU time of all workers.", value=cpu_s)
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of all workers.", value=memory)
        yield GaugeMetricFamily("process_virtual_memory_bytes", "Virtual memory of all workers.", value=virtual)
        yield GaugeMetricFamily("process_open_fds", "Open files of all workers.", value=files)
        yield GaugeMetricFamily("process_max_fds", "Files that all workers may open.", value=most)
        if started:
            since = "When the newest worker was started, in seconds since 1970."
            yield GaugeMetricFamily("process_start_time_seconds", since, value=_booted_s() + started)

    def _folders(self) -> list[Path]:
        parent = Path("/proc", str(self._parent))
        with suppress(OSError):
            children = (parent / "task" / str(self._parent) / "children").read_text().split()
            return [parent, *(Path("/proc", child) for child in children)]
        return []


def _most_files(process: Path) -> float:
    return float((process / "limits").read_text().partition("Max open files")[2].split()[0])


def _booted_s() -> float:
    """Read anew each time: after a step of the clock all workers tell the same."""
    return float(Path("/proc/stat").read_text().partition("\nbtime ")[2].split()[0])
