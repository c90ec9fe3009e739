"""The content of a checkpoint: the learner's state with the clock and the offsets that it belongs to."""

import pickle
from dataclasses import dataclass, field
from typing import Any

from streaming import sealed, unpickle
from streaming.checkpoints import Stored
from streaming.errors import Damaged, HeadraceError
from streaming.merge import Place
from streaming.usecase import UseCase
from trainer.adoption import adopt
from trainer.learner import State
from usecases.registry import modules_of

_OURS = frozenset(
    {("trainer.learner", name) for name in ("State", "Counts")}
    | {("trainer.join", name) for name in ("Join", "Open", "Held")}
    | {("trainer.candidates", name) for name in ("Candidate", "Scores", "Prediction")}
    | {("trainer.drift", "Drift"), ("trainer.served", "Served")}
    | {("trainer.choice", name) for name in ("Choice", "Change", "Block")}
    | {("streaming.asking", "Prediction")}
)


@dataclass
class Loaded:
    """A checkpoint that was read back."""

    state: State
    clock: int | None
    offsets: dict[Place, int]
    topic_ids: dict[str, str]
    said: list[str] = field(default_factory=list)
    """What is new and what was dropped, in sentences."""
    fresh: list[str] = field(default_factory=list)
    """Candidates that have learned nothing."""
    partitions: int | None = None
    """How many partitions each topic of a sharded use case had."""


def dump(
    state: State, clock: int | None, offsets: dict[Place, int], topic_ids: dict[str, str], partitions: int | None = None
) -> bytes:
    """Pickle what a checkpoint holds."""
    places = {tuple(place): offset for place, offset in offsets.items()}
    content = {"state": state, "clock": clock, "offsets": places, "topic_ids": topic_ids, "partitions": partitions}
    return pickle.dumps(content, 5)


def load(use_case: UseCase, stored: Stored) -> Loaded:
    """Read a checkpoint back; raises with the ways out when this River or this use case cannot go on from it."""
    try:
        loaded = read(use_case, stored.header, stored.content)
    except Damaged as error:
        raise Damaged(f"checkpoint {stored.number} of {use_case.name} is refused: {error}") from None
    before = dict(loaded.state.candidates)
    loaded.said = adopt(use_case, loaded.state)
    loaded.fresh = [name for name, candidate in loaded.state.candidates.items() if candidate is not before.get(name)]
    return loaded


def read(use_case: UseCase, header: sealed.Header, content: bytes) -> Loaded:
    """The same, as it was written."""
    wrote = str(header["library_version"])
    if _minor(wrote) != _minor(sealed.library_version()):
        raise HeadraceError(
            f"the checkpoint of {use_case.name} was written with River {wrote}, this is {sealed.library_version()}: "
            f"install River {_minor(wrote)}, rebuild with `headrace replay {use_case.name}`, or start with `--fresh`"
        )
    found: dict[str, Any] = unpickle.loads(content, unpickle.allowed_names(modules_of(use_case)) | _OURS)
    offsets = {Place(*place): offset for place, offset in found["offsets"].items()}
    return Loaded(found["state"], found["clock"], offsets, found["topic_ids"], partitions=found.get("partitions"))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
