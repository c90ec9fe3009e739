"""What a dashboard shows, as plain data: panels with their queries, in rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.promql import selectors
from streaming.metrics import INSTRUMENTS, Instrument


@dataclass(frozen=True)
class Panel:
    """One panel."""

    title: str
    unit: str
    """Grafana's word: s, bytes, short, percentunit, reqps, cps, bool."""
    queries: Mapping[str, str]
    """Legend -> query."""
    says: str = ""
    """What it means; without words those of its instruments."""
    width: int = 8
    """Of 24 columns."""
    big: bool = False
    """One large number for each series instead of lines."""
    steps: tuple[tuple[float, str], ...] = ()
    """Thresholds: from this value on this color."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Title -> address."""
    leads_to: Mapping[str, str] = field(default_factory=dict)
    """Title -> address, of each series by its labels."""

    @property
    def description(self) -> str:
        """Never empty."""
        return self.says or " ".join(f"{one.meaning} {one.act}" for one in instruments(self.queries.values()))


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    says: str
    rows: Mapping[str, Sequence[Panel]]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Name -> the query of its values."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Name -> the query that is true when it happened."""

    @property
    def panels(self) -> list[Panel]:
        """All of them."""
        return [panel for row in self.rows.values() for panel in row]


def instruments(queries: Iterable[str]) -> list[Instrument]:
    """Our own instruments that the queries read, each once."""
    series = {name: one for one in INSTRUMENTS.values() for name in one.series}
    read = [selector.metric for query in queries for selector in selectors(query)]
    return list(dict.fromkeys(series[name] for name in read if name in series))
