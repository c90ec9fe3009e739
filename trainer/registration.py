"""When a snapshot is worth a version in MLflow: decisions over facts, without a clock or a server."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streaming.snapshots import Pointer
from streaming.versions import Version, best_first


@dataclass(frozen=True)
class CandidateFacts:
    """A candidate as the loop sees it now."""

    name: str
    definition: str
    """River's representation of the fresh model."""
    metrics: Mapping[str, float | None]
    """Every metric by River's name, and `rolling_<name>`."""


@dataclass(frozen=True)
class RegistryFacts:
    """What the loop hands over: nothing in it changes afterwards."""

    learned: int
    """Examples learned in this learner's life."""
    candidates: tuple[CandidateFacts, ...]
    """Those that compete; one that failed is left out."""
    pointer: Pointer | None
    """The newest snapshot in the store."""
    offsets: Mapping[str, Mapping[str, int]]
    """Topic -> partition -> next offset, at the moment of that snapshot."""
    checkpointed: int | None
    """Examples learned in the newest checkpoint that is in the store; None while this life has none."""
    features: tuple[str, ...] = ()
    example: Mapping[str, Any] | None = None
    """A recent request body."""
    change: Mapping[str, Any] | None = None
    """The change that made the snapshot's candidate champion; None for the first champion."""


@dataclass(frozen=True)
class Pace:
    """How often versions are registered, and from when on."""

    every_s: float
    max_age_s: float
    after: int
    """Examples learned before a life's first version: until then the best by metric is the luckiest."""


def covered(facts: RegistryFacts, pointer: Pointer) -> bool:
    """Whether a checkpoint in the store knows all that the snapshot knows: a crash cannot take it back."""
    return facts.checkpointed is not None and facts.checkpointed >= pointer.learned


def reason(
    pointer: Pointer,
    learner: str,
    last: Version | None,
    *,
    now_s: float,
    waited_s: float,
    pace: Pace,
    bigger_is_better: bool,
) -> str | None:
    """Why this snapshot should become a version, in words; None: it should not.

    `last` was registered last; `waited_s` is how long a first one was waited for, infinite when nothing more will come.
    """
    age_s = math.inf if last is None else now_s - last.registered_s
    if age_s < pace.every_s:
        return None
    if last is None or last.learner != learner:
        ripe = pointer.learned >= pace.after or waited_s >= pace.max_age_s
        return ("the first" if last is None else "another learner") if ripe else None
    if last.object == pointer.object:
        return None
    if last.candidate != pointer.candidate:
        return "the champion changed"
    if _better(pointer.rolling, last.rolling, bigger_is_better=bigger_is_better):
        return f"better {pointer.metric}"
    return "the last one is old" if age_s >= pace.max_age_s else None


def runner_up(facts: RegistryFacts, champion: str, metric: str, *, bigger_is_better: bool) -> str | None:
    """The best candidate beside the champion by the rolling metric; None while none has a value."""
    known = {c.name: value for c in facts.candidates if (value := c.metrics.get(f"rolling_{metric}")) is not None}
    known.pop(champion, None)
    best = max if bigger_is_better else min
    return best(known, key=known.__getitem__) if known else None


def moves(
    aliases: Mapping[str, int], version: int, rivals: Sequence[Version], *, bigger_is_better: bool
) -> dict[str, int | None]:
    """Alias -> version (None: taken away) that makes `version` the champion, in the order to be applied.

    `previous` is what was champion before; `challenger` the best version of the second-best candidate, if it has one.
    A move that was cut short is finished by asking again.
    """
    wanted: dict[str, int | None] = {}
    if "champion" in aliases and aliases["champion"] != version:
        wanted["previous"] = aliases["champion"]
    wanted["champion"] = version
    best = best_first(list(rivals), bigger_is_better=bigger_is_better)
    wanted["challenger"] = best[0].number if best else None
    return {alias: number for alias, number in wanted.items() if aliases.get(alias) != number}


def _better(now: float | None, then: float | None, *, bigger_is_better: bool) -> bool:
    if now is None or then is None:
        return now is not None
    return now > then if bigger_is_better else now < then
