"""`python -m dashboards.pictures ADDRESS`: the panels of `docs/observability.md`, drawn from a Prometheus that runs."""

import math
import re
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import urllib3

from dashboards.boards import BOARDS
from dashboards.panel import Panel

mpl.use("svg")
from matplotlib import pyplot as plt  # after the choice of what draws
from matplotlib.ticker import EngFormatter, Formatter, PercentFormatter

SHOWN = {
    "overview": ("Events learned a second", "Records behind", "The champion lately, against its life"),
    "learning": ("Rolling metric", "Open questions", "Time of a prediction or lesson", "Age of the newest checkpoint"),
    "serving": ("Requests a second", "Slowest hundredth of the predictions", "Age of the model"),
    "streams": ("Records a second", "Dead letters", "Rows"),
    "platform": ("Memory",),
}
"""Board -> the titles of its panels that the page shows."""
FOLDER = Path(__file__).parents[1] / "docs" / "figures"
_SPAN_S = 780
_STEP_S = 10
_WORDS = {
    "s": "seconds",
    "cps": "a second",
    "reqps": "a second",
    "short": "",
    "none": "",
    "bytes": "",
    "percentunit": "",
}
_TICKS: dict[str, Formatter] = {"bytes": EngFormatter("B"), "percentunit": PercentFormatter(1.0)}


def main(address: str) -> None:
    """Draw the last thirteen minutes."""
    now = time.time()
    for name, titles in SHOWN.items():
        for title in titles:
            panel = next(panel for panel in BOARDS[name].panels if panel.title == title)
            file = picture(name, title)
            # Letters stay letters, names are the same each time, no more points than are seen.
            with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "headrace", "path.simplify_threshold": 0.5}):
                draw(panel, series(panel, address, now - _SPAN_S, now), file)
            print(file)  # noqa: T201  # what the command is for


def picture(board: str, title: str) -> Path:
    """The file of a panel's picture."""
    return FOLDER / f"{board}-{re.sub('[^a-z]+', '-', title.lower()).strip('-')}.svg"


def series(panel: Panel, address: str, start: float, end: float) -> dict[str, list[tuple[float, float]]]:
    """Legend -> (seconds since 1970, value), every ten seconds."""
    found: dict[str, list[tuple[float, float]]] = {}
    for legend, query in panel.queries.items():
        plain = re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "30s"))
        asked = {"query": plain, "start": str(start), "end": str(end), "step": str(_STEP_S)}
        answer: dict[str, Any] = urllib3.request("GET", f"{address}/api/v1/query_range", fields=asked).json()
        for one in answer["data"]["result"]:
            points = [(at, number) for at, value in one["values"] if math.isfinite(number := float(value))]
            name = re.sub(r"{{(\w+)}}", lambda label, of=one["metric"]: of.get(label[1], ""), legend)  # type: ignore[misc]
            if points:
                found[name] = points
    return found


def draw(panel: Panel, lines: dict[str, list[tuple[float, float]]], file: Path) -> None:
    """One panel as Grafana would draw it: lines over time, thresholds, legend below."""
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    if panel.unit in _TICKS:
        axes.yaxis.set_major_formatter(_TICKS[panel.unit])
    began = min((points[0][0] for points in lines.values()), default=0.0)
    for name, points in sorted(lines.items()):
        axes.plot([(at - began) / 60 for at, _ in points], [value for _, value in points], label=name, linewidth=1)
    top = axes.get_ylim()[1]
    for value, color in panel.steps:
        if value <= top:
            axes.axhline(value, color=color, linewidth=0.8, linestyle="--")
    axes.set(title=panel.title, xlabel="minutes", ylabel=_WORDS.get(panel.unit, panel.unit))
    axes.grid(alpha=0.3)
    if lines:
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3, frameon=False)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main(*sys.argv[1:])
