"""Claims and checkpoints: one numbered row of immutable objects that decides who may learn, and from where.

    checkpoints/<use case>/<shard>/<number>.ckpt

A starting trainer puts a claim at the next free number; its checkpoints follow at the numbers after that. Every put is
put-if-absent, so two trainers can never both take a number: the one that finds it taken is fenced. Claims are kept for
ever, so that a trainer which slept for hours still finds its number taken.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streaming import sealed
from streaming.errors import Damaged, Fenced, HeadraceError
from streaming.failpoints import failpoint
from streaming.store import Store

KEPT = 3


@dataclass(frozen=True)
class Stored:
    """A state that was read back: its number, header and pickle."""

    number: int
    header: sealed.Header
    content: bytes


@dataclass(frozen=True)
class Claim:
    """The right to write: `epoch` is its number, `learner` the id of the learner's life."""

    shard: str
    epoch: int
    learner: str
    state: Any
    """What `prepare` made of the newest state; None: from nothing."""
    warnings: list[str] = field(default_factory=list)


class Checkpoints:
    """The row of one learner, seen by one writer."""

    def __init__(self, store: Store, use_case: str, shard: str, key: bytes) -> None:
        """`shard` is the partition of a sharded use case, else 0."""
        self._store, self._key = store, key
        self._name = {"use_case": use_case, "shard": shard}
        self.prefix = f"checkpoints/{use_case}/{shard}"
        self.writer = uuid.uuid4().hex
        self.refused = 0
        """Objects that the claim had to pass over: changed, cut short, or signed with another key."""
        self._last = 0
        self._claim: Claim | None = None
        self._kept: list[int] = []

    @property
    def next_number(self) -> int:
        """The number that this writer's next checkpoint takes."""
        return self._last + 1

    def claim(self, prepare: Callable[[Stored], Any], *, fresh: bool = False) -> Claim:
        """Take the next free number; `fresh` goes on from nothing, with a new learner id.

        `prepare` verifies and loads the newest state; what it raises stops the claim before anything is written.
        """
        while True:
            numbers = self._numbers()
            learner, state, warnings = (None, None, []) if fresh else self._newest(numbers)
            prepared = prepare(state) if state else None
            number = max(numbers, default=0) + 1
            header = self._header("claim", number, number, learner or uuid.uuid4().hex)
            header["state"] = state.number if state else None
            with failpoint("put-claim"):
                is_mine = self._put(number, sealed.seal(header, b"", self._key))
            if is_mine:
                break
        self._claim = Claim(self._name["shard"], number, header["learner"], prepared, warnings)
        self._last = number
        self._kept = [*(n for n in state.header["kept"] if n in numbers), state.number] if state else []
        self.check_owner()
        return self._claim

    def newest(self) -> Stored | None:
        """The newest state that can be read, without a claim; None when there is none."""
        return self._newest(self._numbers())[1]

    def sealer(self, facts: sealed.Header) -> Callable[[bytes], bytes]:
        """What turns the pickle of the next checkpoint into its object: pure, for the forked child.

        `facts` are added to the header, for readers that do not load the pickle; what is filled in before the pickle
        is sealed is in it too.
        """
        if self._claim is None:
            raise Fenced("a claim comes before a checkpoint")
        header = self._header("checkpoint", self.next_number, self._claim.epoch, self._claim.learner)
        kept = list(self._kept)
        return lambda content: sealed.seal({**header, **facts, "kept": kept}, content, self._key)

    def facts(self, object_bytes: bytes) -> sealed.Header:
        """The header of a checkpoint that was just sealed."""
        return sealed.read_header(object_bytes, self._key)

    def put(self, object_bytes: bytes) -> None:
        """Put the next checkpoint, look whether somebody else has claimed, and remove what is too old.

        After `Unavailable` call again with the same bytes: what has been done counts, a put whose answer was lost too.
        """
        number = sealed.read_header(object_bytes, self._key)["number"]
        if number == self.next_number:
            with failpoint("put-checkpoint"):
                is_mine = self._put(number, object_bytes)
            if not is_mine:
                raise self._fenced(number)
            self._last = number
            self._kept.append(number)
        self.check_owner()
        while len(self._kept) > KEPT:
            with failpoint("prune-checkpoint"):
                self._store.delete(self._object(self._kept[0]))
            del self._kept[0]

    def check_owner(self) -> None:
        """Raise `Fenced` when somebody has written a number after ours; any thread may ask."""
        highest = max(self._numbers(), default=0)
        if highest > self._last and not self._is_mine(highest):  # ours: just put by another thread
            raise self._fenced(highest)

    def _newest(self, numbers: list[int]) -> tuple[str | None, Stored | None, list[str]]:
        """Learner id, state and warnings: from the newest object back to the first that can be read."""
        warnings: list[str] = []
        self.refused = 0
        below = max(numbers, default=0) + 1
        for number in reversed(numbers):
            if number >= below:
                continue  # a claim pointed further back
            try:
                stored = self._read(number)
            except Damaged as error:
                warnings.append(f"{self._object(number)} is passed over: {error}")
                self.refused += 1
                continue
            if stored is None:
                continue
            if stored.header["kind"] == "checkpoint":
                return stored.header["learner"], stored, warnings
            if stored.header["state"] is None:
                if warnings:
                    break  # there was a state after this beginning
                return stored.header["learner"], None, []
            below = stored.header["state"] + 1
        # Where others have put and pruned while this one read, the next number is taken, and it lists again.
        if warnings and max(self._numbers()) == max(numbers):
            raise HeadraceError(
                f"no state of {self.prefix} can be read: {warnings[0]}; rebuild it with `headrace replay` or start "
                "from nothing with `--fresh`"
            )
        return None, None, warnings

    def _read(self, number: int) -> Stored | None:
        data = self._store.get(self._object(number))
        if data is None:
            return None
        header, content = sealed.unseal(data, self._key)
        meant = {**self._name, "number": number}
        if {name: header.get(name) for name in meant} != meant:
            raise Damaged("it belongs to another place")
        return Stored(number, header, content)

    def _put(self, number: int, object_bytes: bytes) -> bool:
        """Put the object at its number; False when somebody else's is there."""
        return self._store.put_new(self._object(number), object_bytes) or self._is_mine(number)

    def _is_mine(self, number: int) -> bool:
        data = self._store.get(self._object(number))
        try:
            header = sealed.read_header(data, self._key) if data is not None else {}
        except Damaged:
            return False
        return (header.get("writer"), header.get("number")) == (self.writer, number)

    def _numbers(self) -> list[int]:
        stems = (name.removesuffix(".ckpt") for name in self._store.names(self.prefix))
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def _object(self, number: int) -> str:
        return f"{self.prefix}/{number:012d}.ckpt"

    def _header(self, kind: str, number: int, epoch: int, learner: str) -> dict[str, Any]:
        return {
            "kind": kind,
            **self._name,
            "number": number,
            "epoch": epoch,
            "learner": learner,
            "writer": self.writer,
            "written": time.time(),
        }

    def _fenced(self, number: int) -> Fenced:
        name = self._name["use_case"]
        return Fenced(
            f"another trainer of {name} has taken over ({self._object(number)}): this one publishes nothing more"
        )
