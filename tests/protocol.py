"""The world of the protocol's state machine: a log, a store that fails when told to, and owners of real parts."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from obstore.store import MemoryStore
from river import base, metrics
from typing_extensions import TypedDict

from streaming.checkpoints import Checkpoints, Stored
from streaming.errors import Unavailable
from streaming.merge import Merge, Place
from streaming.snapshots import Pointer
from streaming.store import Store
from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on
from trainer import stored
from trainer.learner import Learner

KEY = b"k"
Found = TypeVar("Found")


class Row(TypedDict):
    """A record; `at` says which one it is."""

    key: str
    time: float
    at: str


FIRST = Topic("first", Row, key="key", time="time")
SECOND = Topic("second", Row, key="key", time="time")
PLACES = [Place("first", 0), Place("second", 0), Place("second", 1)]


class Tape(base.Clusterer):
    """A model that remembers what it has learned, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []

    @property
    def centers(self) -> dict[int, Any]:
        return {}

    def learn_one(self, x: Any) -> None:
        self.heard.append((x["at"], x["time"]))

    def predict_one(self, x: Any) -> int:
        return 0


class Taped(UseCase):
    """Learns every record."""

    topics = (FIRST, SECOND)
    metric = metrics.Silhouette
    candidates = {"tape": Tape}

    @on(FIRST)
    def first(self, event, profile):
        yield Example(key=event["key"], x=event, id=event["at"])

    @on(SECOND)
    def second(self, event, profile):
        yield Example(key=event["key"], x=event, id=event["at"])


class Log:
    """Kafka in ten lines: records by partition, at offsets with holes, and an end."""

    def __init__(self) -> None:
        self.records: dict[Place, list[tuple[int, Row]]] = {place: [] for place in PLACES}
        self.ends = dict.fromkeys(PLACES, 0)

    def append(self, place: Place, key: str, time: float, hole: int) -> None:
        offset = self.ends[place]
        self.records[place].append(
            (offset, {"key": key, "time": time, "at": f"{place.topic}/{place.partition}/{offset}"})
        )
        self.ends[place] = offset + 1 + hole

    def before(self, offsets: dict[Place, int]) -> list[str]:
        """What is to be learned before these offsets."""
        return sorted(row["at"] for place in PLACES for at, row in self.records[place] if at < offsets[place])


class Wayward(Store):
    """A real store in memory whose next calls fail as told: before or after they have had their effect.

    "again" is a put whose answer was lost and which the client has repeated by itself: it finds its own object.
    """

    def __init__(self) -> None:
        self.url, self._store = "memory:", MemoryStore()
        self.faults: list[str] = []
        self.meanwhile: tuple[str, Callable[[], None]] | None = None
        """What another owner does just before the next call of this name."""

    def get(self, name: str) -> bytes | None:
        return self._call("get", super().get, name)

    def put_new(self, name: str, content: Any) -> bool:
        return self._call("put_new", super().put_new, name, content)

    def delete(self, name: str) -> None:
        self._call("delete", super().delete, name)

    def names(self, prefix: str) -> list[str]:
        return self._call("names", super().names, prefix)

    def _call(self, name: str, really: Callable[..., Found], *arguments: Any) -> Found:
        if self.meanwhile is not None and self.meanwhile[0] == name:
            (_, action), self.meanwhile = self.meanwhile, None
            faults, self.faults = self.faults, []
            action()
            self.faults = faults
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise Unavailable(f"{name} cannot be done")
        done = really(*arguments)
        if fault == "after":
            raise Unavailable(f"the answer to {name} is lost")
        return really(*arguments) if fault == "again" and name == "put_new" else done


class Owner:
    """One trainer, step by step: what its loop does between fetching and checkpoint, on the real parts."""

    def __init__(self, log: Log, store: Store, *, fresh: bool) -> None:
        self.log, self.draft, self.n = log, b"", 0
        self.fenced = False
        self.checkpoints = Checkpoints(store, Taped.name, "0", KEY)
        self.read: Stored | None = None
        claim = self.checkpoints.claim(self._load, fresh=fresh)
        self.epoch, self.warnings = claim.epoch, claim.warnings
        loaded: stored.Loaded | None = claim.state
        self.learner = Learner(Taped(), loaded.state if loaded else None)
        self.read_from(loaded.offsets if loaded else dict.fromkeys(PLACES, 0), loaded.clock if loaded else None)

    def _load(self, found: Stored) -> stored.Loaded:
        self.read = found
        return stored.load(Taped(), found)

    def read_from(self, offsets: dict[Place, int], clock: int | None) -> None:
        self.merge = Merge(Taped.topics, offsets, wait_s=1.0, clock=clock)
        self.position = dict(offsets)

    @property
    def heard(self) -> list[tuple[str, float]]:
        tape: Tape = self.learner.state.candidates["tape"].model
        return tape.heard

    def poll(self, place: Place, most: int) -> None:
        """Fetch some records, and hear whether that was the end."""
        rest = [(at, row) for at, row in self.log.records[place] if at >= self.position[place]]
        for offset, row in rest[:most]:
            self.merge.add(place, offset, row["key"].encode(), round(row["time"] * 1e6), dict(row), b"", 0.0)
            self.position[place] = offset + 1
        if most >= len(rest):
            self.merge.ended(place, self.log.ends[place])
            self.position[place] = self.log.ends[place]

    def learn(self, most: int, now: float = 0.0) -> None:
        """Use up to so many moments; at `now` 0 no record has waited long enough for a partition at its end."""
        while most > 0 and (moment := self.merge.next(now)) is not None:
            assert moment.records == sorted(moment.records, key=lambda r: (r.rank, r.key, r.partition, r.offset))
            assert self.learner.process(moment) == []
            most -= 1
        assert self.merge.take_dead() == []

    def dump(self) -> None:
        """Make the next checkpoint, if none is on its way."""
        if not self.draft:
            content = stored.dump(self.learner.state, self.merge.clock, self.merge.offsets, {})
            self.draft = self.checkpoints.sealer({})(content)

    def put(self) -> int:
        """Put it; the number that it has got. What raises leaves it to the next try."""
        self.checkpoints.put(self.draft)
        self.draft = b""
        return self.checkpoints.next_number - 1

    def pointer(self) -> Pointer:
        """The next snapshot."""
        self.n += 1
        time = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
        return Pointer(Taped.name, "0", self.epoch, self.n, "tape", len(self.heard), None, "Silhouette", 0, 0, time)
