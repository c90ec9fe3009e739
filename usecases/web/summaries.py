"""What the clusters of interactions are like: size, what is usual in them, and a name from what sets them apart."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import log1p, sqrt
from statistics import fmean, median, pstdev
from typing import Any

from streaming.usecase import Features
from usecases.web.recent import Recent

_NUMBERS = ("price", "quantity", "page_seconds", "hour")
_CATEGORIES = ("event_type", "category", "device", "place")
# What is said of a number that is much below or above the usual.
_WORDS = {
    "price": ("cheap", "expensive"),
    "quantity": ("", "many pieces"),
    "page_seconds": ("a short look", "a long look"),
}
_APART = 0.5
"""Standard deviations from the mean of all, in logarithms; of a category in terms of its share."""
_FEW, _MOST = 3, 6
"""Words of a name; more where two clusters would have the same."""


def summaries(model: Recent) -> list[dict[str, Any]]:
    """Of each cluster with one of the last points: number, name, size, share, and its features; the largest first.

    A number is told by mean, median and standard deviation, a category by the share of each value.
    """
    points = list(model.points)
    members: dict[int, list[Features]] = defaultdict(list)
    for x in points:
        members[model.predict_one(x)].append(x)
    found = sorted(members.items(), key=lambda one: (-len(one[1]), one[0]))
    names = _named([list(_apart(inside, points)) for _, inside in found])
    return [
        {"cluster": number, "name": name, "size": len(inside), "share": len(inside) / len(points), **_features(inside)}
        for (number, inside), name in zip(found, names, strict=True)
    ]


def _features(inside: Sequence[Features]) -> dict[str, Any]:
    numbers = {name: [x[name] for x in inside] for name in _NUMBERS}
    return {
        "numbers": {
            name: {"mean": fmean(values), "median": median(values), "sd": pstdev(values)}
            for name, values in numbers.items()
        },
        "categories": {
            name: {value: count / len(inside) for value, count in Counter(x[name] for x in inside).most_common()}
            for name in _CATEGORIES
        },
    }


def _apart(inside: Sequence[Features], points: Sequence[Features]) -> Iterator[str]:
    """What sets these points apart from all, in words, the strongest first."""
    found: list[tuple[float, str]] = []
    for name, (below, above) in _WORDS.items():
        here, everywhere = ([log1p(x[name]) for x in some] for some in (inside, points))
        spread = pstdev(everywhere)
        gap = (fmean(here) - fmean(everywhere)) / spread if spread else 0.0
        found.append((abs(gap), below if gap < 0 else above))
    for name in _CATEGORIES:
        usual = Counter(x[name] for x in points)
        for value, count in Counter(x[name] for x in inside).items():
            share, own = usual[value] / len(points), count / len(inside)
            if share < 1 and own >= 0.5:  # what is said of a cluster holds for most of it
                found.append(((own - share) / sqrt(share * (1 - share)), value))
    yield from (word for gap, word in sorted(found, reverse=True) if gap >= _APART and word)


def _named(words: Sequence[Sequence[str]]) -> list[str]:
    """A few words for each, more where two would be the same, at last a number.

    >>> _named([["cart", "phone", "cheap", "toys"], ["cart", "phone", "cheap", "home"], []])
    ['cart, phone, cheap', 'cart, phone, cheap, home', 'of all kinds']
    """
    found: list[str] = []
    for own in words:
        lengths = range(_FEW, max(_FEW, min(_MOST, len(own))) + 1)
        names = [", ".join(own[:length]) or "of all kinds" for length in lengths]
        unused = (name for name in names if name not in found)
        again = (f"{names[-1]} ({at})" for at in range(2, len(words) + 2) if f"{names[-1]} ({at})" not in found)
        found.append(next(unused, None) or next(again))
    return found
