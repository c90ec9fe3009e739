"""`python -m benchmarks use-cases`: use cases on their simulators, beside River alone, a naive baseline, over a drift.

With --write the tables and plots are kept in docs/use-cases.md and docs/figures/.
"""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from river import base

from benchmarks import alone
from benchmarks.drift import Recovery, recovery
from benchmarks.hash_seed import begin_with_one
from benchmarks.progressive import NotEvaluated, answered, by_river
from benchmarks.simulated import EVENTS, events_of, lanes_of
from producers.sources import source_for
from streaming.scoring import metric_name
from streaming.settings import Settings
from streaming.usecase import Event, Features, UseCase
from usecases.registry import load_use_cases

SEED = 42
DOCS = Path(__file__).parents[1] / "docs"
PAGE, PLOTS = DOCS / "use-cases.md", DOCS / "figures"


class MarketPrice(base.Regressor):
    """A card is worth what is asked for it."""

    def learn_one(self, x: Any, y: Any) -> None:
        """Nothing."""

    def predict_one(self, x: Features) -> float:  # type: ignore[override]  # River's names are of any type
        """What is asked."""
        return float(x["market_price"])


ALSO_NAIVE: dict[str, dict[str, Callable[[], Any]]] = {"fair-price": {"the market price": MarketPrice}}
"""Beside the baseline that every use case has."""


def main(arguments: list[str]) -> None:
    """Learn the use cases that are named, or all that have a simulator."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks use-cases", description=__doc__)
    parser.add_argument("names", nargs="*", help="use cases; all when left out")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the simulators ({SEED})")
    parser.add_argument("--write", action="store_true", help="keep tables and plots in docs/")
    told = parser.parse_args(arguments)
    if told.write and told.seed != SEED:
        parser.error(f"what is kept in docs/ is of seed {SEED}, got --seed {told.seed}")
    begin_with_one()
    for name, use_case in load_use_cases(Settings()).items():
        if source_for({topic.name for topic in use_case.topics}) and (name in told.names or not told.names):
            events = events_of(use_case, EVENTS, seed=told.seed)
            heard = alone.learn(use_case, lanes_of(use_case, events))
            section = figures(heard, events)
            print(section, flush=True)
            if told.write:
                PLOTS.mkdir(exist_ok=True)
                plot(recovery(heard, events, seed=SEED), name, PLOTS / f"{name}.svg")
                section += f"\n![The rolling metric over a drift](figures/{name}.svg)"
                PAGE.write_text(kept(PAGE.read_text(), name, section))


def figures(heard: alone.Heard, events: list[tuple[str, Event]]) -> str:
    """The section of one use case."""
    use_case = heard.use_case
    baseline_name, baseline = alone.baseline(use_case)
    naives = {baseline_name: baseline, **ALSO_NAIVE.get(use_case.name, {})}
    heard_by_naives = {name: heard.by_river(factory) for name, factory in naives.items()}
    rivers = {name: _by_river(heard, events, factory) for name, factory in use_case.candidates.items()}
    table = _table(use_case, heard.candidates, rivers, heard_by_naives)
    return "\n".join([f"### {use_case.name}", "", *table, "", *_losers(heard, heard_by_naives)])


def _by_river(heard: alone.Heard, events: list[tuple[str, Event]], factory: Callable[[], Any]) -> float | None:
    """The metric that chooses, by River's own evaluation; by a bare loop where River has none for such answers."""
    kind, rows = type(heard.use_case), None
    if not alone.clusters(heard.use_case):
        with suppress(NotEvaluated):
            rows = answered(heard.use_case, events)
    return heard.by_river(factory)[metric_name(kind.metric())] if rows is None else by_river(kind, factory, rows)


def _table(
    use_case: UseCase,
    ours: dict[str, alone.Values],
    rivers: dict[str, float | None],
    naives: dict[str, alone.Values],
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
    for name, values in naives.items():
        cells = [f"naive: {name}", "", _six(values[names[0]])]
        lines.append(_row([*cells, *(_short(values[other]) for other in names[1:])]))
    return lines


def _losers(heard: alone.Heard, naives: dict[str, alone.Values]) -> list[str]:
    """The candidates that do not beat a naive baseline, by name."""
    metric = type(heard.use_case).metric()
    better, lines = _better(metric), []
    values = {name: value for name, value in heard.values(metric_name(metric)).items() if name != "persistence"}
    for naive, said in naives.items():
        bar = said[metric_name(metric)]
        lost = [name for name, value in values.items() if bar is not None and better(value, bar) == bar]
        lines += [f"Not better than {naive}: {', '.join(lost)}.", ""] if lost else []
    return lines


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
