"""`python -m benchmarks use-cases`: use cases on their simulators, beside River alone, a naive baseline, over a drift.

With --write the tables and plots are kept in docs/use-cases.md and docs/figures/.
"""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import alone
from benchmarks.drift import Recovery, recovery
from benchmarks.hash_seed import begin_with_one
from benchmarks.progressive import NotEvaluated, answered, by_river
from benchmarks.simulated import EVENTS, events_of, lanes_of
from producers.sources import source_for
from streaming.scoring import metric_name
from streaming.settings import Settings
from streaming.usecase import Event, UseCase
from usecases.registry import load_use_cases

SEED = 42
DOCS = Path(__file__).parents[1] / "docs"
PAGE, PLOTS = DOCS / "use-cases.md", DOCS / "figures"


def main(arguments: list[str]) -> None:
    """Learn the use cases that are named, or all that have a simulator."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks use-cases", description=__doc__)
    parser.add_argument("names", nargs="*", help="use cases; all when left out")
    parser.add_argument("--write", action="store_true", help="keep tables and plots in docs/")
    told = parser.parse_args(arguments)
    begin_with_one()
    use_cases = load_use_cases(Settings())
    for name, use_case in use_cases.items():
        if source_for({topic.name for topic in use_case.topics}) and (name in told.names or not told.names):
            section, curves = figures(use_case)
            print(section, flush=True)
            if told.write:
                PLOTS.mkdir(exist_ok=True)
                plot(curves, name, PLOTS / f"{name}.svg")
                PAGE.write_text(kept(PAGE.read_text(), name, section))


def figures(use_case: UseCase) -> tuple[str, Recovery]:
    """The section of one use case, and how its champion gets over the drift."""
    events = events_of(use_case, EVENTS, seed=SEED)
    heard = alone.learn(use_case, lanes_of(use_case, events))
    naive_name, naive = alone.baseline(use_case)
    rivers = {name: _by_river(heard, events, factory) for name, factory in use_case.candidates.items()}
    lines = _table(use_case, heard.candidates, rivers, f"naive: {naive_name}", heard.by_river(naive))
    curves = recovery(heard, events, seed=SEED)
    plot_line = f"![The rolling metric over a drift](figures/{use_case.name}.svg)"
    return "\n".join([f"### {use_case.name}", "", *lines, "", *_losers(use_case, heard, naive_name), plot_line]), curves


def _by_river(heard: alone.Heard, events: list[tuple[str, Event]], factory: Callable[[], Any]) -> float | None:
    """The metric that chooses, by River's own evaluation; by a bare loop where River has none for such answers."""
    kind, rows = type(heard.use_case), None
    if not alone.clusters(heard.use_case):
        with suppress(NotEvaluated):
            rows = answered(heard.use_case, events)
    return heard.by_river(factory)[metric_name(kind.metric())] if rows is None else by_river(kind, factory, rows)


def _table(
    use_case: UseCase, ours: dict[str, alone.Values], rivers: dict[str, float | None], naive: str, naives: alone.Values
) -> list[str]:
    """A line for each candidate: each metric over the life, and the one that chooses as River alone tells it."""
    metrics = type(use_case).metrics()
    names, better = [metric_name(metric) for metric in metrics], _better(metrics[0])
    best = better(value for values in ours.values() if (value := values[names[0]]) is not None)
    head = ["candidate", f"{names[0]} ({'higher' if better is max else 'lower'} is better)", "River alone", *names[1:]]
    lines = [_row(head), _row(["---"] * len(head))]
    for name, values in ours.items():
        if _six(values[names[0]]) != _six(rivers[name]):
            raise SystemExit(f"{use_case.name}: {name} got other numbers than River alone")
        told = f"**{name}**" if values[names[0]] == best else name
        cells = [told, _six(values[names[0]]), _six(rivers[name])]
        lines.append(_row([*cells, *(_short(values[other]) for other in names[1:])]))
    lines.append(_row([naive, "", _six(naives[names[0]]), *(_short(naives[other]) for other in names[1:])]))
    return lines


def _losers(use_case: UseCase, heard: alone.Heard, naive_name: str) -> list[str]:
    """The candidates that do not beat the naive baseline, by name."""
    metric = type(use_case).metric()
    name, better = metric_name(metric), _better(metric)
    naive = heard.by_river(alone.baseline(use_case)[1])[name]
    values = {candidate: value for candidate, value in heard.values(name).items() if candidate != "persistence"}
    lost = [candidate for candidate, value in values.items() if naive is not None and better(value, naive) == naive]
    return [f"Not better than {naive_name}: {', '.join(lost)}.", ""] if lost else []


def kept(page: str, name: str, section: str) -> str:
    """The page with this section in its place between the marks, the others as they were."""
    before, start, rest = page.partition("<!-- figures -->\n")
    middle, end, after = rest.partition("<!-- /figures -->")
    parts = (part for part in re.split(r"^(?=### )", middle, flags=re.MULTILINE) if part.strip())
    sections = {part.split("\n", 1)[0]: part for part in parts}
    sections[f"### {name}"] = section + "\n\n"
    return before + start + "".join(sections.values()) + end + after


def plot(curves: Recovery, name: str, file: Path) -> None:
    """The rolling metric over the drift, beside that of one who has always known the new world."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "headrace"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    axes.plot(curves.new_world.events, curves.new_world.values, color="0.6", label="in the new world all the time")
    axes.plot(curves.drifted.events, curves.drifted.values, color="C0", label=f"{curves.candidate}, the world changes")
    axes.axvline(curves.drifted.drift, color="C3", linestyle=":", label="the drift")
    axes.set(xlabel="events", ylabel=curves.metric, title=name)
    axes.legend(fontsize="small")
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _better(metric: Any) -> Any:
    return max if metric.bigger_is_better else min


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _six(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
