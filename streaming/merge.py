"""The event-time merge: many partitions in, one order out, a whole moment at a time. Pure: no clock, no socket."""

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from streaming.codec import to_text
from streaming.topics import Topic
from streaming.usecase import Event

_BAD = -(2**63)  # the time of a record that could not be decoded: before everything, so it leaves as soon as it leads
_NEVER = 2**63
_DAY_US = 86_400_000_000


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One decoded record; records sort by moment, order of topics, key, partition, offset."""

    time: int
    """Event time, microseconds since 1970."""
    rank: int
    """The topic's position in the use case's `topics`."""
    key: bytes
    partition: int
    offset: int
    topic: str
    event: Event
    value: bytes
    fetched: float
    """When it was fetched, seconds of the caller's monotonic clock."""


class Dead(NamedTuple):
    """A record that could not be decoded or handled, with the reason."""

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    use_case: str | None = None
    """Set when one use case's handler failed; None when the record is bad for every reader."""
    sent: bool = False
    """Its letter is on its topic already."""

    def __str__(self) -> str:
        return f"{self.place.topic}[{self.place.partition}]@{self.offset}: {self.reason}"


class Moment(NamedTuple):
    """All records of one event time; late when that time had passed before they came."""

    time: int
    late: bool
    records: list[Record]


class _Lane:
    """What was read ahead of one partition."""

    __slots__ = ("at_end", "closed", "end", "jump", "low", "next_offset", "place", "queue", "rank")

    def __init__(self, place: Place, rank: int, jump: int, offset: int) -> None:
        self.place, self.rank, self.jump = place, rank, jump
        self.queue: deque[Record] = deque()
        self.at_end = False
        self.closed = False
        self.next_offset = offset
        self.end = offset
        self.low = _NEVER  # no record in the queue is earlier than this


class Merge:
    """Brings the records of all partitions into event-time order.

    A partition with records still to fetch is waited for; one at its end holds a record up at most `wait_s`, counted
    from that record's fetch; a closed one never. For partitions that are in event-time order inside, the order of the
    moments does not depend on how the partitions were read.
    """

    def __init__(
        self,
        topics: Iterable[Topic],
        offsets: dict[Place, int],
        *,
        wait_s: float,
        read_ahead: int = 20_000,
        clock: int | None = None,
    ) -> None:
        """`offsets` holds the next offset of every partition of `topics`; `clock` is the latest moment taken before."""
        self.clock = clock
        self._wait_s = wait_s
        self._read_ahead = read_ahead
        ranked = {topic.name: (rank, topic.max_jump) for rank, topic in enumerate(topics)}
        self._lanes: dict[tuple[str, int], _Lane] = {
            place: _Lane(place, rank, round(jump.total_seconds() * 1e6), offsets[place])
            for place in sorted(offsets)
            for rank, jump in [ranked[place.topic]]
        }
        self._all = list(self._lanes.values())
        self._least_jump = min(lane.jump for lane in self._all)
        self._dead: list[Dead] = []

    @property
    def offsets(self) -> dict[Place, int]:
        """The next offset of every partition: all before it were given out."""
        return {lane.place: lane.next_offset if lane.queue else max(lane.next_offset, lane.end) for lane in self._all}

    @property
    def fetched(self) -> dict[Place, int]:
        """The next offset to fetch of the partitions that hold something and are not known to be at their end."""
        return {lane.place: lane.queue[-1].offset + 1 for lane in self._all if lane.queue and not lane.at_end}

    @property
    def ahead(self) -> dict[Place, int]:
        """The next offset after what was read ahead, of the partitions of which something was."""
        return {lane.place: lane.queue[-1].offset + 1 for lane in self._all if lane.queue}

    def add(  # one record is these values; an object around them would cost as much as the merge itself
        self,
        place: tuple[str, int],
        offset: int,
        key: bytes | None,
        time: int,
        event: Event,
        value: bytes,
        fetched: float,
    ) -> None:
        """Add the next record of a partition."""
        lane = self._lanes[place]
        lane.at_end = False
        if time < lane.low:
            lane.low = time
        topic, partition = place
        lane.queue.append(
            _record(Record, (time, lane.rank, key or b"", partition, offset, topic, event, value, fetched))
        )

    def add_bad(self, dead: Dead) -> None:
        """Add a record that could not be decoded: it keeps its place in its partition and leaves as a dead letter."""
        lane = self._lanes[dead.place]
        lane.at_end = False
        lane.queue.append(
            Record(_BAD, lane.rank, dead.key or b"", dead.place.partition, dead.offset, "", {"": dead}, b"", 0.0)
        )

    def ended(self, place: Place, offset: int) -> None:
        """Note that a partition has no record at `offset` yet."""
        lane = self._lanes[place]
        lane.at_end = True
        lane.end = max(lane.end, offset)

    def close(self, place: Place) -> None:
        """Note that nothing more will come from a partition."""
        lane = self._lanes[place]
        lane.at_end = lane.closed = True

    @property
    def drained(self) -> bool:
        """Every partition is closed and everything was given out."""
        return all(lane.closed and not lane.queue for lane in self._all)

    def full(self, place: Place) -> bool:
        """Enough was read ahead of this partition, and nobody waits for more of it."""
        queue = self._lanes[place].queue
        # A moment larger than the read-ahead must still be read to its end.
        return len(queue) >= self._read_ahead and queue[-1].time > queue[0].time

    def buffered(self, place: Place) -> int:
        """Records read ahead of a partition."""
        return len(self._lanes[place].queue)

    def take_dead(self) -> list[Dead]:
        """Hand over the dead letters found since the last call; their offsets count as given out."""
        dead, self._dead = self._dead, []
        return dead

    def next(self, now: float) -> Moment | None:
        """Give out the next whole moment, or None while a partition has to be waited for."""
        while True:
            clock = self.clock
            if clock is None:
                if not self._set_clock():
                    return None
                continue
            lead, tied, idle, owed = self._look(clock)
            if lead is None:
                return None
            least = lead.queue[0].time
            if least == _BAD:
                self._bury_bad()
            elif owed:
                return None
            elif least > clock + lead.jump:
                self._bury(lead, _too_far(least, clock, lead.jump))
            elif idle and least > clock and now - lead.queue[0].fetched < self._wait_s:
                return None
            else:
                return self._take_all(least) if tied else self._take(lead, least)

    def _look(self, clock: int) -> tuple[_Lane | None, bool, bool, bool]:
        """The lane whose head is earliest; is it tied; is a lane at its end; is one still to be fetched."""
        far = clock + self._least_jump
        least, lead, tied, idle, owed = _NEVER, None, False, False, False
        for lane in self._all:
            queue = lane.queue
            if queue:
                time = queue[0][0]
                if time > far and time > clock + lane.jump:
                    if self._drop_outliers(lane, clock):
                        time = queue[0][0]
                    elif not lane.at_end and len(queue) < self._read_ahead:
                        owed = True
                if time < least:
                    least, lead, tied = time, lane, False
                elif time == least:
                    tied = True
            elif lane.at_end:
                idle = idle or not lane.closed
            else:
                owed = True
        return lead, tied, idle, owed

    def _take(self, lane: _Lane, least: int) -> Moment | None:
        """The moment that one lane alone leads; most often it is one record."""
        queue = lane.queue
        if len(queue) > 1 and queue[1][0] > least:
            record = queue.popleft()
            lane.next_offset = record.offset + 1
            return self._give(least, [record])
        return self._take_all(least)

    def _take_all(self, least: int) -> Moment | None:
        leading = [lane for lane in self._all if lane.queue and lane.queue[0].time == least]
        if any(lane.queue[-1].time <= least and not lane.at_end for lane in leading):
            return None  # the rest of this moment is still to be fetched
        records: list[Record] = []
        for lane in leading:
            queue = lane.queue
            while queue and queue[0].time == least:
                records.append(queue.popleft())
            lane.next_offset = records[-1].offset + 1
        if len(records) > 1:
            records.sort(key=_order)
        return self._give(least, records)

    def _give(self, least: int, records: list[Record]) -> Moment:
        late = least < self.clock  # type: ignore[operator]  # `next` has set it
        if not late:
            self.clock = least
        return _record(Moment, (least, late, records))

    def _set_clock(self) -> bool:
        """Start the clock at the earliest read-ahead event that another one agrees with."""
        while any(lane.queue and lane.queue[0].time == _BAD for lane in self._all):
            self._bury_bad()
        if any(len(lane.queue) < 2 and not lane.at_end for lane in self._all):
            return False
        times = sorted((r.time, lane.jump) for lane in self._all for r in lane.queue if r.time != _BAD)
        for (earlier, _), (later, jump) in pairwise(times):
            if later - earlier <= jump:
                self.clock = earlier
                return True
        if times and all(lane.closed or len(lane.queue) >= self._read_ahead for lane in self._all):
            self.clock = times[0][0]
            return True
        return False

    def _drop_outliers(self, lane: _Lane, clock: int) -> bool:
        """Bury what is too far ahead of the clock when a later record of the same partition is not."""
        floor, limit = clock - lane.jump, clock + lane.jump
        if lane.low > limit:
            return False
        if not any(floor <= record.time <= limit for record in lane.queue):
            lane.low = min((record.time for record in lane.queue if record.time >= floor), default=_NEVER)
            return False
        while lane.queue[0].time > limit or lane.queue[0].time == _BAD:
            self._bury(lane, _too_far(lane.queue[0].time, clock, lane.jump))
        return True

    def _bury_bad(self) -> None:
        for lane in self._all:
            while lane.queue and lane.queue[0].time == _BAD:
                self._bury(lane, "")

    def _bury(self, lane: _Lane, reason: str) -> None:
        record = lane.queue.popleft()
        lane.next_offset = record.offset + 1
        dead = record.event[""] if record.time == _BAD else None
        self._dead.append(dead or Dead(lane.place, record.offset, record.key, record.value, reason))


_record = tuple.__new__  # a named tuple's own constructor takes twice as long


def _order(record: Record) -> tuple[int, bytes, int, int]:
    return record[1:5]


def _too_far(time: int, clock: int, jump: int) -> str:
    return f"event time {to_text(time)} is more than {jump / _DAY_US:g} days after the clock {to_text(clock)}"
