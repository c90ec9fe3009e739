"""The live numbers as a table for a terminal, or as plain lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from headrace.status import Heard, Status

SILENT_S = 5.0
"""A trainer that says nothing for longer is shown as silent."""
_CHAMPION = "★"


@dataclass(frozen=True)
class Board:
    """Everything that is shown at one moment (`now` in seconds since 1970)."""

    now: float
    heard: Sequence[Heard] = ()
    expected: Sequence[str] = ()
    """Use cases that should be there, even when their trainers have said nothing yet."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    processes: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def render(board: Board) -> RenderableType:
    """The tables for a terminal."""
    parts: list[RenderableType] = []
    if board.heard or board.expected:
        parts.append(_learners(board))
    parts.append(_processes(board))
    parts.extend(Text(note, style="yellow") for note in board.notes)
    return Group(*parts)


def lines(board: Board) -> list[str]:
    """One line per use case, for a log or a pipe."""
    said = [_line(heard, board.now) for heard in board.heard]
    return said + [f"{name}: nothing heard yet" for name in _unheard(board)]


def _learners(board: Board) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("use case", style="bold")
    table.add_column("state")
    for title in ("events", "per s", "learned", "open", "lag", "checkpoint"):
        table.add_column(title, justify="right")
    table.add_column("candidate")
    table.add_column("metric")
    table.add_column("life", justify="right")
    table.add_column("rolling", justify="right")
    table.add_column("beside it", style="dim")
    for heard in board.heard:
        _add_rows(table, heard, board.now)
    for name in _unheard(board):
        table.add_row(escape(name), "starting")
    return table


def _add_rows(table: Table, heard: Heard, now: float) -> None:
    status = heard.status
    first = [
        escape(_title(status)),
        _state(heard, now),
        _count(status.events),
        "-" if heard.events_per_s is None else f"{heard.events_per_s:,.0f}",
        _count(status.learned),
        _count(status.pending),
        _count(status.lag),
        _age(status.checkpoint_age_s, heard, now),
    ]
    empty = [""] * len(first)
    for row, (name, metrics) in enumerate(status.candidates.items()):
        champion = name == status.champion
        shown = f"[green]{_CHAMPION} {escape(name)}[/]" if champion else f"  {escape(name)}"
        metric = status.metric or ""
        numbers = [_number(metrics.get(metric)), _number(metrics.get(f"rolling_{metric}"))]
        table.add_row(*(empty if row else first), shown, escape(metric), *numbers, escape(_others(metrics, metric)))
    if not status.candidates:
        table.add_row(*first)


def _processes(board: Board) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, address in board.addresses.items():
        table.add_row(escape(name), f"{escape(address)}  [dim]{escape(board.processes.get(name, ''))}[/]".rstrip())
    for name, state in board.processes.items():
        if name not in board.addresses:
            table.add_row(escape(name), f"[dim]{escape(state)}[/]")
    return table


def _line(heard: Heard, now: float) -> str:
    status = heard.status
    metric = status.metric or "metric"
    scores = [
        f"{_CHAMPION if name == status.champion else ''}{name} {_number(numbers.get(metric))}"
        f" (rolling {_number(numbers.get(f'rolling_{metric}'))})"
        for name, numbers in status.candidates.items()
    ]
    head = (
        f"{_title(status)}: {_state(heard, now)}, {_count(status.events)} events, {_count(status.learned)} learned,"
        f" lag {_count(status.lag)}, checkpoint {_age(status.checkpoint_age_s, heard, now)} ago"
    )
    return f"{head}; {metric}: {', '.join(scores)}" if scores else head


def _title(status: Status) -> str:
    return status.use_case if status.shard in {"", "0"} else f"{status.use_case}/{status.shard}"


def _state(heard: Heard, now: float) -> str:
    """Silence first, then the switch, then what the trainer says it does."""
    silent_s = now - heard.written
    if silent_s > SILENT_S:
        return f"silent for {timedelta(seconds=int(silent_s))}"
    wanted, applied = heard.status.training.wanted, heard.status.training.applied
    if wanted != applied:
        return "resuming" if wanted else "pausing"
    return (heard.status.state or "learning") if wanted else "off"


def _others(metrics: Mapping[str, float | None], chosen: str) -> str:
    """The reported metrics: those of the whole life, beside the one that chooses."""
    return ", ".join(
        f"{name} {_number(value)}"
        for name, value in metrics.items()
        if name != chosen and not name.startswith("rolling_")
    )


def _number(value: float | None) -> str:
    """Four digits that count; a dash for a metric that has no value yet.

    >>> _number(0.71249), _number(1234.5), _number(None)
    ('0.7125', '1234', '-')
    """
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _age(age_s: float | None, heard: Heard, now: float) -> str:
    """The checkpoint's age now: it went on ageing since the trainer told it."""
    return "-" if age_s is None else f"{age_s + max(0.0, now - heard.written):.0f} s"


def _unheard(board: Board) -> Iterable[str]:
    known = {heard.status.use_case for heard in board.heard}
    return [name for name in board.expected if name not in known]
