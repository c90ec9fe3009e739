"""Snapshots: the champion model alone, signed, and the pointers that say which one is the newest.

A snapshot is an immutable object `models/<use case>/<shard>/<epoch>-<n>.model`. A pointer is a record on the
compacted topic `headrace.models` with the key `<use case>/<shard>/<epoch>`: readers take the highest (epoch, n), so a
trainer that was replaced can only overwrite a pointer that nobody reads any more.
"""

import pickle
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import orjson

from streaming import sealed, unpickle
from streaming.errors import Damaged


@dataclass(frozen=True)
class Pointer:
    """Where a snapshot is, and what a reader wants to know before loading it."""

    use_case: str
    shard: str
    epoch: int
    n: int
    candidate: str
    learned: int
    """Examples that the learner had learned."""
    event_time: str | None
    """The learner's clock, ISO 8601."""
    metric: str
    """River's name of the use case's metric."""
    value: float | None
    """The metric over the learner's life."""
    rolling: float | None
    """The metric over the rolling window."""
    time: str
    """When the snapshot was taken, ISO 8601."""
    written: float | None = None
    """When the newest record that it has learned from had come to Kafka, seconds since 1970."""

    @property
    def snapshot(self) -> str:
        """The short name, `<epoch>-<n>`."""
        return f"{self.epoch}-{self.n}"

    @property
    def object(self) -> str:
        """The object's name in the store."""
        return f"models/{self.use_case}/{self.shard}/{self.snapshot}.model"

    @property
    def key(self) -> str:
        """The record key on `headrace.models`."""
        return f"{self.use_case}/{self.shard}/{self.epoch}"

    @property
    def order(self) -> tuple[int, int]:
        """Readers take the highest."""
        return self.epoch, self.n

    def encode(self) -> bytes:
        """The record value."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> "Pointer":
        """Read a record value; `Damaged` when it is not one."""
        try:
            said = orjson.loads(value)
            return cls(**{name: said[name] for name in said.keys() & cls.__dataclass_fields__.keys()})
        except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
            raise Damaged(f"a pointer cannot be read: {error}") from None


def seal_model(pointer: Pointer, model: Any, key: bytes) -> bytes:
    """The signed object of a model."""
    return sealed.seal({"kind": "model", **asdict(pointer)}, pickle.dumps(model, 5), key)


def open_model(
    data: bytes,
    key: bytes,
    modules: list[ModuleType],
    *,
    use_case: str,
    name: str | None = None,
    snapshot: str | None = None,
) -> tuple[Pointer, Any]:
    """Verify and load a model; `modules` are those of its use case (`usecases.registry.modules_of`).

    `Damaged` before anything is unpickled when it is not what was asked for: a model of this use case, the one that
    belongs at the object's `name` and, where it is known, this `snapshot`.
    """
    header, content = sealed.unseal(data, key)
    pointer = read_pointer(header)
    if pointer.use_case != use_case:
        raise Damaged(f"it is a model of {pointer.use_case}, not of {use_case}")
    if name is not None and name.startswith("models/") and pointer.object != name:
        raise Damaged(f"it is {pointer.object}, offered again under another name")
    if snapshot is not None and pointer.snapshot != snapshot:
        raise Damaged(f"it is the snapshot {pointer.snapshot}, not {snapshot}")
    return pointer, unpickle.loads(content, unpickle.allowed_names(modules))


def read_pointer(header: sealed.Header) -> Pointer:
    """What a snapshot's verified header says; `Damaged` when it is not one of a snapshot."""
    if header.get("kind") != "model":
        raise Damaged(f"it is a {header.get('kind')}, not a model")
    try:
        return Pointer(**{name: header[name] for name in header.keys() & Pointer.__dataclass_fields__.keys()})
    except TypeError as error:
        raise Damaged(f"its header lacks something: {error}") from None
