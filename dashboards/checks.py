"""Whether what a query names exists: metrics, labels, routes."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from dashboards.others import OTHERS
from dashboards.promql import grouping, selectors
from streaming.metrics import INSTRUMENTS

RULES = Path(__file__).parent / "prometheus"
_ADDED = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""
_ALERTS = {"ALERTS": frozenset({"alertname", "alertstate", "severity"})}


@cache
def known() -> dict[str, frozenset[str]]:
    """The labels of every series there is: ours, those of others, and what the rules record."""
    found: dict[str, frozenset[str]] = {**OTHERS, **_ALERTS}
    for instrument in INSTRUMENTS.values():
        for series in instrument.series:
            more = {"le"} if series.endswith("_bucket") else set()
            found[series] = frozenset(instrument.labels) | more
    for name, query in _recorded().items():
        grouped = grouping(query) if " by " in query else set()
        read = {label for one in selectors(query) for label in found.get(one.metric, ())}
        found[name] = frozenset(grouped or read)
    return found


def _recorded() -> dict[str, str]:
    groups = [
        group for file in sorted(RULES.glob("*.rules.yml")) for group in yaml.safe_load(file.read_text())["groups"]
    ]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}


def unknown(query: str, routes: frozenset[str] = frozenset()) -> list[str]:
    """What the query names and does not exist, in words; of routes when those that exist are given."""
    series, wrong = known(), []
    there = set(_ADDED)
    for one in selectors(query):
        labels = series.get(one.metric)
        if labels is None:
            wrong.append(f"metric {one.metric}")
            continue
        there |= labels
        wrong += [f"label {label} of {one.metric}" for label, *_ in one.matchers if label not in labels | _ADDED]
        if routes:
            asked = [(how, value) for label, how, value in one.matchers if label == "route"]
            wrong += [f"route {name}" for how, value in asked for name in _absent(how, value, routes)]
    return wrong + [f"label {label}" for label in grouping(query) if label not in there]


def _absent(how: str, value: str, routes: frozenset[str]) -> list[str]:
    """What is compared and is no route; of a pattern each alternative that no route matches."""
    if how in {"=", "!="}:
        return [] if value in routes else [value]
    return [one for one in value.split("|") if not any(re.fullmatch(one, route) for route in routes)]


def labels_of(queries: Iterable[str]) -> set[str]:
    """Every label that the results of these queries may bear."""
    series = known()
    return {label for query in queries for one in selectors(query) for label in series.get(one.metric, ())} | _ADDED
