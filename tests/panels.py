"""The queries of the dashboards as Grafana would ask them of a Prometheus: with its variables filled in."""

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from dashboards.__main__ import ROOT
from tests.alerting import ask

FOLDER = ROOT / "dashboards" / "grafana"
_RATE_INTERVAL = "15s"
_LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")


class Asked(NamedTuple):
    """One query of one panel."""

    file: str
    panel: str
    legend: str
    query: str


def asked() -> list[Asked]:
    """Every query of every dashboard, as its file has it."""
    return [
        Asked(file.stem, panel["title"], target["legendFormat"], target["expr"])
        for file in sorted(FOLDER.glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    ]


def values(prometheus: str, file: str) -> dict[str, str]:
    """The variables of a dashboard: each with all the values that its own query finds."""
    found: dict[str, str] = {}
    for variable in _read(FOLDER / f"{file}.json")["templating"]["list"]:
        if variable["type"] == "query":
            matched = _LABEL_VALUES.fullmatch(variable["query"])
            assert matched, variable
            query, label = fill(matched[1], found), matched[2]
            labels = {one["metric"][label] for one in ask(prometheus, query)}
            found[variable["name"]] = "|".join(sorted(labels))
    return found


def fill(query: str, variables: dict[str, str]) -> str:
    """The query that Prometheus is asked."""
    return re.sub(r"\$(\w+)", lambda name: {"__rate_interval": _RATE_INTERVAL, **variables}[name[1]], query)


def shows(prometheus: str, query: str) -> bool:
    """Whether a panel has something to show: one series with a number in it."""
    return any(not math.isnan(float(one["value"][1])) for one in ask(prometheus, query))


def annotations(file: str) -> list[str]:
    """The queries of a dashboard's annotations."""
    return [one["expr"] for one in _read(FOLDER / f"{file}.json")["annotations"].get("list", ()) if "expr" in one]


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content
