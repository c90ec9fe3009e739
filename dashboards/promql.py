"""The metrics and labels that a query names: enough of PromQL for a check that they exist, not a parser of it."""

import re
from typing import NamedTuple

_STRING = r'"(?:[^"\\]|\\.)*"'
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_WORDS = frozenset(
    {
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "and",
        "or",
        "unless",
        "bool",
        "offset",
        "inf",
        "nan",
    }
)
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(rf"({_NAME})\s*(\{{[^}}]*\}})?(?!\s*\(|[a-zA-Z0-9_:])")
_ARGUMENT = re.compile(rf",\s*{_STRING}(?=\s*[,)])")
"""Text that a function is given."""
_MATCHER = re.compile(rf"({_NAME})\s*(=~|!~|!=|=)\s*({_STRING})")


class Selector(NamedTuple):
    """One metric in a query, with its matchers as (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def selectors(query: str) -> list[Selector]:
    """Every metric that the query reads.

    >>> first, second = selectors('sum by (route) (rate(a_total{route="/x", status=~"5.."}[5m])) / on (route) b > 0')
    >>> first
    Selector(metric='a_total', matchers=(('route', '=', '/x'), ('status', '=~', '5..')))
    >>> second.metric
    'b'
    >>> [one.metric for one in selectors('label_replace(up == 0, "use_case", "$1", "trains", "(.+)")')]
    ['up']
    """
    plain = _ARGUMENT.sub(" ", _escape(query))
    bare = _GROUPING.sub(" ", re.sub(r"\[[^\]{}]*\]", " ", plain))
    found = []
    for name, braces in _SELECTOR.findall(bare):
        if name.lower() not in _WORDS:
            matchers = tuple((label, how, _unescape(value[1:-1])) for label, how, value in _MATCHER.findall(braces))
            found.append(Selector(name, matchers))
    return found


def grouping(query: str) -> set[str]:
    """Every label that the query groups or joins by.

    >>> sorted(grouping("sum by (route, le) (a) * on (use_case) group_left () b"))
    ['le', 'route', 'use_case']
    """
    lists = [labels for _, labels in _GROUPING.findall(query)]
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def _escape(query: str) -> str:
    """Braces inside strings as other characters: they end no selector."""
    return re.sub(_STRING, lambda found: found[0].replace("{", "\x01").replace("}", "\x02"), query)


def _unescape(value: str) -> str:
    return value.replace("\x01", "{").replace("\x02", "}")
