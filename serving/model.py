"""A model as it is served: River's model behind one call, with what an answer tells of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from streaming.asking import Ask, asking, confidence
from streaming.snapshots import Pointer


@dataclass(frozen=True)
class Model:
    """A loaded snapshot."""

    pointer: Pointer
    object: str
    """Where it was read from."""
    estimator: Any
    """River's model itself: not to be taught."""
    ask: Ask
    taken_s: float
    """When the snapshot was taken, seconds since 1970."""
    pinned: int | None = None
    """The version that it is pinned as."""
    event_time_s: float | None = None
    """Event time of the newest event that it knows, seconds since 1970."""
    confidence: float | None = None
    """How often the answer is expected inside the intervals that it gives."""

    @classmethod
    def of(cls, pointer: Pointer, model: Any, *, object: str, pinned: int | None = None) -> "Model":  # noqa: A002
        """Prepare a model for being asked."""
        taken_s = datetime.fromisoformat(pointer.time).timestamp()
        clock = pointer.event_time
        event_time_s = None if clock is None else datetime.fromisoformat(clock).timestamp()
        return cls(pointer, object, model, asking(model), taken_s, pinned, event_time_s, confidence(model))


Models: TypeAlias = dict[tuple[str, str], Model]
"""What is served now, by use case and shard: a request takes its model once, a swap is one assignment."""
