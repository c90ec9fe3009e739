"""The live numbers as a table for a terminal, or as plain lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from headrace.status import Heard, HeardArchive, Status

SILENT_S = 5.0
"""A trainer that says nothing for longer is shown as silent."""
_CHAMPION = "★"
_NUMBERS = "events", "per s", "learned", "open", "lag", "saved", "life", "rolling"
_COLUMNS = "use case", "state", *_NUMBERS[:6], "model", "candidate", "metric", *_NUMBERS[6:], "beside it"
_WIDE, _NARROW = 165, 115
_DROPPED_BELOW = {_WIDE: ("beside it",), 135: ("per s", "open"), _NARROW: ("model",), 95: ("metric",)}
"""What a narrower terminal goes without."""


@dataclass(frozen=True)
class Board:
    """Everything that is shown at one moment (`now` in seconds since 1970)."""

    now: float
    heard: Sequence[Heard] = ()
    since: float = 0.0
    """What was said before this moment is of an earlier run."""
    expected: Sequence[str] = ()
    """Use cases that should be there, even when their trainers have said nothing yet."""
    archived: Sequence[HeardArchive] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    processes: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def render(board: Board, width: int = 200) -> RenderableType:
    """The tables for a terminal of this many columns."""
    parts: list[RenderableType] = []
    if board.heard or board.expected:
        parts.append(_learners(board, width))
    if archived := _archived(board):
        parts.append(_archive(archived, board))
    parts.append(_processes(board))
    parts.extend(Text(note, style="yellow") for note in board.notes)
    return Group(*parts)


def lines(board: Board) -> list[str]:
    """One line per use case and archived topic, for a log or a pipe."""
    learners = [_line(heard, board) for heard in board.heard]
    unheard = [f"{name}: nothing heard yet" for name in _unheard(board)]
    return learners + unheard + [_archive_line(heard, board) for heard in _archived(board)]


def _learners(board: Board, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1 if width >= _NARROW else 0))
    dropped = {title for limit, titles in _DROPPED_BELOW.items() if width < limit for title in titles}
    shown = [title for title in _COLUMNS if title not in dropped]
    for title in shown:
        table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=True)
    for row in [row for heard in board.heard for row in _rows(heard, board)]:
        table.add_row(*(row.get(title, "") for title in shown))
    for name in _unheard(board):
        table.add_row(escape(name), "starting")
    return table


def _rows(heard: Heard, board: Board) -> list[dict[str, str]]:
    """A use case's rows, one per candidate, by column; what belongs to the use case stands in the first."""
    status = heard.status
    rows = [_candidate(status, name) for name in status.candidates] or [{}]
    rows[0] |= {
        "use case": f"[bold]{escape(_title(status))}[/]",
        "state": _state(heard, board),
        "events": _count(status.events),
        "per s": "-" if heard.events_per_s is None else f"{heard.events_per_s:,.0f}",
        "learned": _count(status.learned),
        "open": _count(status.pending),
        "lag": _count(status.lag),
        "saved": _age(status.checkpoint_age_s, heard, board.now),
        "model": escape(_model(status, board.now)),
    }
    return rows


def _candidate(status: Status, name: str) -> dict[str, str]:
    numbers, metric = status.candidates[name], status.metric or ""
    champion = name == status.champion
    return {
        "candidate": f"[green]{_CHAMPION} {escape(name)}[/]" if champion else f"  {escape(name)}",
        "metric": escape(metric),
        "life": _number(numbers.get(metric)),
        "rolling": _number(numbers.get(f"rolling_{metric}")),
        "beside it": f"[dim]{escape(_others(numbers, metric))}[/]",
    }


def _archive(archived: Sequence[HeardArchive], board: Board) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("archive", "state", "rows", "lag"):
        table.add_column(title, justify="right" if title in {"rows", "lag"} else "left", no_wrap=True)
    for heard in archived:
        told = heard.archived
        table.add_row(escape(told.topic), escape(_archiving(heard, board)), _count(told.rows), _count(told.lag))
    return table


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


def _line(heard: Heard, board: Board) -> str:
    status = heard.status
    metric = status.metric or "metric"
    scores = [
        f"{_CHAMPION if name == status.champion else ''}{name} {_number(numbers.get(metric))}"
        f" (rolling {_number(numbers.get(f'rolling_{metric}'))})"
        for name, numbers in status.candidates.items()
    ]
    head = (
        f"{_title(status)}: {_state(heard, board)}, {_count(status.events)} events, {_count(status.learned)} learned,"
        f" lag {_count(status.lag)}, saved {_age(status.checkpoint_age_s, heard, board.now)},"
        f" model {_model(status, board.now)}"
    )
    return f"{head}; {metric}: {', '.join(scores)}" if scores else head


def _archive_line(heard: HeardArchive, board: Board) -> str:
    told = heard.archived
    return f"archive of {told.topic}: {_archiving(heard, board)}, {_count(told.rows)} rows, lag {_count(told.lag)}"


def _archived(board: Board) -> list[HeardArchive]:
    """What the archive of this run has said."""
    return [heard for heard in board.archived if heard.written >= board.since]


def _archiving(heard: HeardArchive, board: Board) -> str:
    silent_s = board.now - heard.written
    return f"silent {_duration(silent_s)}" if silent_s > SILENT_S else heard.archived.state


def _model(status: Status, now: float) -> str:
    """The newest snapshot and its age."""
    if status.snapshot is None or status.snapshot_time is None:
        return "-"
    return f"{status.snapshot}, {_duration(max(0.0, now - status.snapshot_time.timestamp()))} ago"


def _title(status: Status) -> str:
    return status.use_case if status.shard in {"", "0"} else f"{status.use_case}/{status.shard}"


def _state(heard: Heard, board: Board) -> str:
    """Silence first, then the switch, then what the trainer says it does."""
    if heard.written < board.since:
        return "starting"
    silent_s = board.now - heard.written
    if silent_s > SILENT_S:
        return f"silent {_duration(silent_s)}"
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
    return f"{value + 0.0:.4f}" if abs(value) < 10 else f"{value:.4g}"  # the sum makes of -0.0 a plain zero


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _age(age_s: float | None, heard: Heard, now: float) -> str:
    """The checkpoint's age now: it went on ageing since the trainer told it."""
    return "-" if age_s is None else f"{_duration(age_s + max(0.0, now - heard.written))} ago"


def _duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> _duration(59.4), _duration(3600), _duration(200_000)
    ('59 s', '60 min', '56 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _unheard(board: Board) -> Iterable[str]:
    known = {heard.status.use_case for heard in board.heard}
    return [name for name in board.expected if name not in known]
