"""Claims and checkpoints as a state machine: no order of steps, crashes, sleepers and faults loses or doubles a record.

Any number of owners live at once, and each of them may act next: one that was claimed over is a zombie until it hears
of it. The parts are real (`Checkpoints`, the store, `Merge`, `Learner`, and serving's `Loader`); Kafka is ten lines.
"""

import threading
from itertools import pairwise
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from obstore import put
from river import dummy

from serving.loader import Loader
from serving.model import Model, Models
from serving.records import Records, Wanted
from streaming import sealed
from streaming.checkpoints import KEPT
from streaming.errors import Damaged, Fenced, Unavailable
from streaming.topics import MODELS
from tests.examples import steps
from tests.protocol import KEY, PLACES, Log, Owner, Taped, Wayward

places = st.sampled_from(PLACES)
keys = st.sampled_from("abc")
few = st.integers(1, 4)
batches = st.lists(st.tuples(places, keys, st.integers(-3, 5), st.sampled_from([0, 0, 1, 3])), max_size=6)
rounds = st.lists(st.tuples(batches, *[st.sampled_from([1, 2, 1_000])] * len(PLACES)), min_size=2, max_size=5)
ACTS = ["dump", "put", "put", "checkpoint", "publish", "rest"]
faults = st.lists(st.sampled_from(["", "", "before", "after", "again"]), max_size=4)


class Reader:
    """What serves: it takes the pointers in their order, and loads the newest."""

    def __init__(self) -> None:
        self.records, self.models = Records(), Models()
        self.at = 0
        self._loader = Loader(Taped(), self.records, self.models, self._read, lambda: None, threading.Event())

    def _read(self, wanted: Wanted) -> Model:
        (pointer,) = [p for p in self.records._pointers[Taped.name].values() if p.object == wanted.object]
        return Model.of(pointer, dummy.PriorClassifier(), object=wanted.object)

    def take(self, key: str, value: bytes | None) -> None:
        self.records.take(MODELS, key, value)

    def look(self) -> None:
        """Load what is wanted now; never anything older."""
        before = self.serves
        self._loader.look()
        assert self.serves >= before

    @property
    def serves(self) -> tuple[int, int]:
        served = self.models.get((Taped.name, "0"))
        return served.pointer.order if served else (0, 0)


class Protocol(RuleBasedStateMachine):
    """Owners over one log and one store."""

    owners: Bundle[Owner] = Bundle("owners")

    @initialize(target=owners, ordered=st.booleans())
    def begin(self, ordered) -> MultipleResults[Owner]:
        self.log, self.store = Log(), Wayward()
        self.ordered, self.time = ordered, 100.0
        self.claims: set[int] = set()
        self.too_late: set[int] = set()
        """Claims that were refused to those who made them."""
        self.stored: set[int] = set()
        """Checkpoints that a living owner was told are in, which no later start may fall behind."""
        self.spoiled: set[int] = set()
        self.pointers: list[tuple[str, bytes | None]] = []
        self.published: list[tuple[int, int]] = []
        self.reader = Reader()
        for place in PLACES * 2:
            self.log.append(place, "a", self.time, 0)
        return multiple(self._start(), self._start())

    # The log

    @rule(records=batches)
    def produce(self, records) -> None:
        """In the order of event time, or in any; some offsets are left out, as by a transaction's marks."""
        for place, key, gap, hole in records:
            self.time += max(gap, 0) if self.ordered else gap
            self.log.append(place, key, self.time, hole)

    # What an owner does

    @rule(target=owners, fresh=st.integers(0, 19).map(lambda n: n == 0))
    def start(self, fresh) -> Owner:
        """Claim, with nobody in the way."""
        return self._start(fresh=fresh)

    @rule(target=owners, other=owners, at=st.sampled_from(["names", "get", "put_new"]), puts=st.integers(1, 5))
    def start_in_a_race(self, other, at, puts) -> Owner | MultipleResults[Owner]:
        """Another owner puts checkpoints while this one lists, reads or claims.

        They may be so many that the number to be claimed is pruned already: then the claim lands among old numbers,
        and its owner hears at once that it is too late.
        """
        self.store.meanwhile = at, lambda: self._step(other, times=puts)
        try:
            return self._start()
        except Fenced:
            self.too_late |= {number for number, header in self._objects() if header["kind"] == "claim"} - self.claims
            assert self.too_late
            return multiple()
        finally:
            self.store.meanwhile = None

    @rule(target=owners, faults=faults)
    def start_on_a_bad_day(self, faults) -> Owner | MultipleResults[Owner]:
        """Claim while the store fails."""
        self.store.faults = faults
        try:
            return self._start()
        except Unavailable:
            return multiple()
        finally:
            self.store.faults = []

    @rule(owner=owners, polls=st.lists(st.tuples(places, few), max_size=3), most=few)
    def learn(self, owner, polls, most) -> None:
        """Fetch a little and learn a little."""
        for place, records in polls:
            owner.poll(place, records)
        owner.learn(most)

    @rule(owner=owners, rounds=rounds)
    def wait_and_learn(self, owner, rounds) -> None:
        """Where a partition was read to its end, that end was heard of just now: it need not be waited for."""
        for records, *most in rounds:
            self.produce(records)
            for place, count in zip(PLACES, most, strict=True):
                owner.poll(place, count)
            owner.learn(1_000, inf)
        self._check(owner)

    @rule(turns=st.lists(st.tuples(owners, st.sampled_from(ACTS), faults), min_size=1, max_size=6))
    def act(self, turns) -> None:
        """One after the other; a put that failed is tried again in a later turn, with the same bytes."""
        for owner, what, fails in turns:
            self.store.faults = list(fails)
            if what == "dump":
                self._check(owner)
                owner.dump()
            elif what == "put":
                self._put(owner)
            elif what == "checkpoint":
                self._step(owner)
            elif what == "publish" and not owner.fenced:
                self._publish(owner)
            elif what == "rest":
                self._rest(owner)
            self.store.faults = []
        self._begin_to_read()

    @rule(target=owners, owner=owners, at=st.sampled_from(["put_new", "names"]))
    def put_in_a_race(self, owner, at) -> MultipleResults[Owner]:
        """Another one claims just before the put, or between it and the look whether anybody has."""
        started: list[Owner] = []
        if owner.fenced:
            return multiple()
        self._check(owner)
        owner.dump()
        self.store.meanwhile = at, lambda: started.append(self._start())
        self._put(owner)
        self.store.meanwhile = None
        assert owner.fenced or not started
        return multiple(*started)

    def _rest(self, owner: Owner) -> None:
        """The seat was lost and is back: go on from memory if nobody has claimed."""
        try:
            owner.checkpoints.check_owner()
        except Unavailable:
            return
        except Fenced:
            owner.fenced = True
        else:
            owner.read_from(owner.merge.offsets, owner.merge.clock)

    def _publish(self, owner: Owner) -> None:
        """A snapshot's pointer; the first one of an epoch buries those of lower ones."""
        pointer = owner.pointer()
        self.published.append(pointer.order)
        self.pointers.append((pointer.key, pointer.encode()))
        if pointer.n == 1:
            lower = {key for key, _ in self.pointers if int(key.rpartition("/")[2]) < owner.epoch}
            self.pointers += [(key, None) for key in sorted(lower)]

    # What happens to an owner

    @rule(owner=consumes(owners))
    def crash(self, owner) -> None:
        """SIGKILL; or the partitions are lost, which is the same: what was not put is dropped."""

    @rule(owner=consumes(owners))
    def revoke(self, owner) -> None:
        """The partitions go to somebody else: a last checkpoint, then the end."""
        self._put(owner)
        self._step(owner)

    # What happens to the store, and to readers

    @rule(how=st.sampled_from([lambda b: b[:-2], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""]))
    def spoil(self, how) -> None:
        """The newest checkpoint is cut or changed; the one before it is there."""
        healthy = [number for number, header in self._objects() if header["kind"] == "checkpoint"]
        if len(healthy) < 2 or healthy[-2] < max(self.fresh, default=0):
            return
        self.spoiled.add(healthy[-1])
        self.stored.discard(healthy[-1])
        name = f"checkpoints/{Taped.name}/0/{healthy[-1]:012d}.ckpt"
        put(self.store._store, name, how(self.store.get(name) or b""))

    @rule(most=few)
    def read(self, most) -> None:
        """A reader hears of a few more pointers, and never goes back."""
        for key, value in self.pointers[self.reader.at : self.reader.at + most]:
            self.reader.take(key, value)
            self.reader.look()
            self.reader.at += 1

    def _begin_to_read(self) -> None:
        """One that starts now reads what compaction has left, and then serves the newest of the highest epoch."""
        reader = Reader()
        for key, value in dict(self.pointers).items():
            reader.take(key, value)
        reader.look()
        assert reader.serves == max(self.published, default=(0, 0))

    # What must hold

    @invariant()
    def the_row_is_sound(self) -> None:
        """Claims stay; who was claimed over has written nothing since; each object says the number that it has."""
        if not hasattr(self, "store"):
            return
        claim: sealed.Header = {}
        objects = self._objects()
        for number, header in objects:
            assert header["number"] == number
            if number in self.too_late:
                continue
            if header["kind"] == "claim":
                claim = header
            assert (header["writer"], header["epoch"]) == (claim["writer"], claim["number"])
        claims = {number for number, header in objects if header["kind"] == "claim"}
        assert claims >= self.claims - self.too_late
        self.claims = claims

    def teardown(self) -> None:
        """In the end one more trainer starts and learns all that is left."""
        if hasattr(self, "store"):
            last = self._start()
            for place in PLACES:
                last.poll(place, 1_000)
                last.merge.close(place)
            last.learn(1_000)
            assert last.merge.drained
            assert sorted(at for at, _ in last.heard) == self.log.before(self.log.ends)
            self._check(last)

    # The steps behind the rules

    def _start(self, *, fresh: bool = False) -> Owner:
        owner = Owner(self.log, self.store, fresh=fresh)
        if fresh:
            self.stored.clear()
        elif self.stored:
            assert owner.read is not None
            assert owner.read.number >= max(self.stored)
        self._check(owner)
        return owner

    def _step(self, owner: Owner, times: int = 1) -> None:
        self._check(owner)
        for _ in range(times):
            owner.dump()
            self._put(owner)

    def _put(self, owner: Owner) -> None:
        """A fenced one may try for ever."""
        if not owner.draft:
            return
        before = dict(self._objects()) if owner.fenced else {}
        try:
            number = owner.put()
        except Unavailable:
            return
        except Fenced:
            owner.fenced = True
        else:
            assert not owner.fenced
            self.stored |= {number} - self.spoiled  # an earlier try may have stored it, before it was spoiled
            assert number > max(self.claims - self.too_late)
            kept = [
                n for n, header in self._objects() if header["kind"] == "checkpoint" and header["epoch"] == owner.epoch
            ]
            assert len(kept) <= KEPT
        if before:
            assert dict(self._objects()) == before

    def _check(self, owner: Owner) -> None:
        """It has learned each record before its offsets once, and nothing else; in the merge's order."""
        counts = owner.learner.state.counts
        assert (counts.duplicates, counts.dead) == (0, 0)
        assert sorted(at for at, _ in owner.heard) == self.log.before(owner.merge.offsets)
        if self.ordered:
            assert all(earlier <= later for (_, earlier), (_, later) in pairwise(owner.heard))
            assert counts.late == 0

    @property
    def fresh(self) -> list[int]:
        """The claims that went on from nothing."""
        return [n for n, header in self._objects() if header["kind"] == "claim" and header["state"] is None]

    def _objects(self) -> list[tuple[int, sealed.Header]]:
        """What can be read in the store, by number."""
        faults, self.store.faults = self.store.faults, []
        found = []
        for name in self.store.names(f"checkpoints/{Taped.name}/0"):
            try:
                header, _ = sealed.unseal(self.store.get(f"checkpoints/{Taped.name}/0/{name}") or b"", KEY)
            except Damaged:
                continue
            found.append((int(name.removesuffix(".ckpt")), header))
        self.store.faults = faults
        return found


TestProtocol = Protocol.TestCase
TestProtocol.settings = steps(150, 20)
