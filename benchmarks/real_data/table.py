"""`make bench-real`: the table of all data sets, printed and, with --write, kept in docs/real-data.md."""

import argparse
import re
import tempfile
from pathlib import Path

from benchmarks.hash_seed import begin_with_one
from benchmarks.real_data import cars, churn, deliveries, diamonds, films, loans, series, shuttle
from benchmarks.real_data.dataset import RealData
from benchmarks.real_data.evaluation import Result, evaluated

ALL: list[RealData] = [
    churn.DATA,
    shuttle.DATA,
    loans.DATA,
    deliveries.DATA,
    cars.DATA,
    diamonds.DATA,
    *series.ALL,
    films.DATA,
]
PAGE = Path(__file__).parents[2] / "docs" / "real-data.md"
HEAD = (
    "| data set | asks as | answers | metric | candidate | Headrace | River alone | naive baseline | batch model |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


def main(arguments: list[str]) -> None:
    """Evaluate the data sets that are named, or all; with --files DIR write their events and nothing else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks real", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(data.name for data in ALL)}; all when left out")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/real-data.md")
    parser.add_argument("--files", type=Path, metavar="DIR", help="only write DIR/<data set>/<topic>.ndjson")
    told = parser.parse_args(arguments)
    unknown = sorted(set(told.names) - {data.name for data in ALL})
    if unknown:
        parser.error(f"there is no data set {unknown[0]}; there are {', '.join(data.name for data in ALL)}")
    chosen = [data for data in ALL if data.name in told.names or not told.names]
    if told.files:
        for data in chosen:
            data.write(told.files / data.name)
            print(told.files / data.name)
        return
    begin_with_one()
    found = {data.name: _evaluated(data) for data in chosen}
    if told.write:
        PAGE.write_text(kept(PAGE.read_text(), found))
    else:
        print("\n" + "\n".join(f"{data.name}: {data.limits}" for data in chosen))


def kept(page: str, found: dict[str, list[str]]) -> str:
    """The page with these lines of data sets in its table; data sets that were not asked keep theirs."""
    before, table, after = re.split(r"(?<=<!-- table -->\n)|(?=<!-- /table -->)", page)
    for data in ALL:
        found.setdefault(data.name, [line for line in table.splitlines() if line.startswith(f"| {data.name} |")])
    lines = (line for data in ALL for line in found[data.name])
    return before + HEAD + "".join(f"{line}\n" for line in lines) + after


def rows(data: RealData, result: Result) -> list[str]:
    """A line of the table for each candidate; the best one is marked, one that loses to the baseline says so."""
    batch = "" if result.batch is None else _six(result.batch)
    better = max if type(data.use_case).metric().bigger_is_better else min
    best = better(result.ours.values())
    lines = []
    for name, ours in result.ours.items():
        marks = f"**{name}**" if ours == best else name
        if ours == result.naive:
            marks += " (the baseline itself)"
        elif better(ours, result.naive) != ours:
            marks += " (worse than the baseline)"
        left = f"| {data.name} | {data.stands_for} | {result.rows:,} | {result.metric} | {marks} "
        lines.append(f"{left}| {_six(ours)} | {_six(result.rivers[name])} | {_six(result.naive)} | {batch} |")
    return lines


def _evaluated(data: RealData) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        result = evaluated(data, Path(folder))
    unequal = [name for name in result.ours if _six(result.ours[name]) != _six(result.rivers[name])]
    lines = rows(data, result)
    print("\n".join(lines), flush=True)
    if unequal:
        raise SystemExit(f"{data.name}: {', '.join(unequal)} got other numbers than River's own evaluation")
    return lines


def _six(value: float) -> str:
    return f"{value:.6g}"
