"""Several learners of one use case seen as one: counts are added up, metrics averaged by what each has answered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COUNTS = ("events", "learned", "questions", "answers", "pending", "late", "duplicates", "dead", "expired", "unasked")
"""What adds up."""


def added_up(shards: Sequence[Mapping[str, Any]], names: Iterable[str] = COUNTS) -> dict[str, int]:
    """The counts of all shards.

    >>> added_up([{"events": 2, "learned": 1}, {"events": 3, "learned": 3}], ("events", "learned"))
    {'events': 5, 'learned': 4}
    """
    return {name: sum(shard.get(name) or 0 for shard in shards) for name in names}


def averaged(shards: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """The metrics of each candidate over all shards, each shard weighted by its answers: null where none has one.

    >>> averaged([{"answers": 3, "candidates": {"a": {"MAE": 1.0}}}, {"answers": 1, "candidates": {"a": {"MAE": 5.0}}}])
    {'a': {'MAE': 2.0}}
    """
    found: dict[str, dict[str, float | None]] = {}
    for candidate in dict.fromkeys(name for shard in shards for name in shard["candidates"]):
        known = [(shard.get("answers") or 0, shard["candidates"].get(candidate, {})) for shard in shards]
        metrics = dict.fromkeys(name for _, values in known for name in values)
        found[candidate] = {metric: _mean(known, metric) for metric in metrics}
    return found


def paired(shards: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Each challenger against the champions of the shards that have another one, weighted by blocks; no test is told.

    >>> one = {"gain": 0.1, "apart": 0.25, "blocks": 10, "p": 0.5}
    >>> paired([{"paired": {"a": one}}, {"paired": {"a": {**one, "blocks": 30, "gain": 0.5}}}, {}])
    {'a': {'gain': 0.4, 'apart': 0.25, 'blocks': 40, 'p': None}}
    """
    pairs: dict[str, list[Mapping[str, float]]] = {}
    for shard in shards:
        for name, pair in (shard.get("paired") or {}).items():
            pairs.setdefault(name, []).append(pair)
    found: dict[str, dict[str, float | None]] = {}
    for name, known in pairs.items():
        blocks = sum(pair["blocks"] for pair in known)
        means = {what: sum(pair[what] * pair["blocks"] for pair in known) / blocks for what in ("gain", "apart")}
        found[name] = {**means, "blocks": blocks, "p": None}
    return found


def best(candidates: Mapping[str, Mapping[str, float | None]], metric: str, *, bigger: bool) -> str | None:
    """The candidate that is best by this metric, the first of equals; None while none has a value.

    >>> best({"a": {"MAE": 2.0}, "b": {"MAE": 1.0}, "c": {"MAE": None}}, "MAE", bigger=False)
    'b'
    """
    known = {name: value for name, values in candidates.items() if (value := values.get(metric)) is not None}
    return (max if bigger else min)(known, key=known.__getitem__) if known else None


def _mean(known: Sequence[tuple[int, Mapping[str, float | None]]], metric: str) -> float | None:
    weighed = [(weight, value) for weight, values in known if weight and (value := values.get(metric)) is not None]
    total = sum(weight for weight, _ in weighed)
    return sum(weight * value for weight, value in weighed) / total if total else None
