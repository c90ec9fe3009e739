"""Reads a use case's topics as one stream a partition: first the archive, then Kafka from the very next offset."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import polars as pl
import structlog

from streaming.archive_reader import Reader
from streaming.archive_schema import Unfit
from streaming.deadletters import Letter, read_letters
from streaming.errors import BadRecord, HeadraceError, Unavailable
from streaming.kafka import topic_ids
from streaming.merge import Dead, Merge, Place
from streaming.patience import Patience
from streaming.settings import Kafka, Settings
from streaming.source import FETCH, Source
from streaming.topics import Topic

log = structlog.get_logger()

Bounds = dict[Place, tuple[int, int]]
_CHUNK = 1_000
"""Rows of a partition that become events at once."""
_LONG_AGO = 0.0  # no record waits for others that may still arrive: they would have, long since


def handover(place: Place, last: int | None, bounds: tuple[int, int]) -> int:
    """The first offset that Kafka has to give: the one after the last archived offset; a gap between is a sentence.

    Where nothing is archived the stream begins with Kafka's first record, as the archive itself would.

    >>> usage = Place("telecom.usage", 0)
    >>> [handover(usage, last, (7, 99)) for last in (41, None, 6)]
    [42, 7, 7]
    """
    low, high = bounds
    if last is None:
        return low
    if low <= last + 1 <= high:
        return last + 1
    where = f"{place.topic}[{place.partition}]"
    if last + 1 < low:
        raise HeadraceError(
            f"{where}: the archive ends at offset {last}, but Kafka begins at {low}: what was between is lost, and a "
            f"replay over it would not be exact; `headrace train --fresh` learns from what Kafka holds"
        )
    raise HeadraceError(f"{where}: the archive ends at offset {last}, but Kafka at {high}: Kafka has lost records")


@dataclass
class _Lane:
    """One partition's way through the archive."""

    place: Place
    at: int
    """Where the next rows begin."""
    upto: int
    """The archive gives what is before this offset."""
    letters: deque[Letter]
    """Those that wait on the dead-letter topic."""
    frame: pl.DataFrame | None = None
    """Rows that were read and not given out yet."""


class ArchiveSource(Source):
    """A source whose partitions begin in the archive; a merge cannot tell where the one ends and Kafka begins."""

    def __init__(
        self,
        settings: Settings,
        kafka: Kafka,
        topics: Sequence[Topic],
        *,
        group: str,
        reader: str | None = None,
        only: int | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Open the newest version of every table; `progress` hears how many of the archived offsets were given out."""
        super().__init__(kafka, topics, group=group, reader=reader, only=only)
        self._progress = progress
        places, ids = super().places(), topic_ids(kafka, [topic.name for topic in topics])
        kept = super().bounds(places)
        self._readers = {
            topic.name: Reader(settings.store, topic, ids[topic.name], [p for t, p in places if t == topic.name])
            for topic in topics
        }
        self._then = {place: handover(place, self._last(place), kept[place]) for place in places}
        """Where Kafka goes on."""
        self._first = {place: self._begin(place) for place in places}
        self._letters = {topic.name: read_letters(kafka, topic) for topic in topics}
        self._lanes: dict[Place, _Lane] = {}
        self._patience = Patience()
        self._tell()

    def bounds(self, places: Iterable[Place]) -> Bounds:
        """The first offset there is, archived or not, and the next one to be written, by partition."""
        return {place: (self._first.get(place, low), high) for place, (low, high) in super().bounds(places).items()}

    def start(self, merge: Merge, stop_at: dict[Place, int] | None = None) -> None:
        """Read every partition from the merge's offsets on; with `stop_at`, up to those offsets."""
        for reader in self._readers.values():
            reader.rewind()
        self._lanes = {
            place: _Lane(place, offset, min(then, (stop_at or {}).get(place, then)), self._letters_from(place, offset))
            for place, offset in merge.offsets.items()
            if offset < (then := self._then.get(place, 0))
        }
        self._assign(merge, stop_at, {p: offset for p, offset in merge.offsets.items() if p not in self._lanes})

    def poll(self, timeout_s: float) -> int:
        """Bring more records into the merge; tells how many came: `FETCH`, while there are more in the archive."""
        if not self._lanes or self._merge is None or self._paused or not self._patience.ready:
            return super().poll(timeout_s)
        super().poll(0)
        try:
            for lane in list(self._lanes.values()):
                if not self._merge.full(lane.place):
                    self._feed(lane, self._merge)
        except Unavailable as error:
            self._patience.failed(error)
            return 0
        self._patience.succeeded()
        self._report(self._merge)
        return FETCH

    def lags(self) -> dict[str, int]:
        """Records that are archived or that Kafka holds, and the learner has not used, by topic."""
        offsets, behind = self._merge.offsets if self._merge else {}, super().lags()
        for place, lane in self._lanes.items():
            behind[place.topic] += lane.upto - offsets[place]
        return behind

    def close(self) -> None:
        """Leave; a broker that is away is not waited for."""
        for reader in self._readers.values():
            reader.close()
        super().close()

    def _tell(self) -> None:
        """Say what there is, and what is not."""
        for name, reader in self._readers.items():
            rows = sum(reader.rows(partition) for partition in reader.last)
            log.info("replaying the archive", topic=name, version=reader.version, rows=rows)
            if reader.others:
                log.warning("rows of a deleted topic of the same name are left out", topic=name, rows=reader.others)
        for (name, partition), first in self._first.items():
            if first:
                log.warning("what was before is gone", topic=name, partition=partition, begins_at=first)

    def _last(self, place: Place) -> int | None:
        return self._readers[place.topic].last[place.partition]

    def _begin(self, place: Place) -> int:
        first = self._readers[place.topic].first(place.partition)
        return self._then[place] if first is None else first

    def _feed(self, lane: _Lane, merge: Merge) -> None:
        """Give the next rows of a partition to the merge; when there are none, Kafka goes on."""
        if lane.frame is None and lane.at < lane.upto:
            lane.frame, lane.at = self._readers[lane.place.topic].take(lane.place.partition, lane.at)
        if lane.frame is None:
            self._hand_over(lane, merge)
            return
        self._give(lane, lane.frame.head(_CHUNK).filter(pl.col("_offset") < lane.upto), merge)
        lane.frame = lane.frame.slice(_CHUNK) if len(lane.frame) > _CHUNK else None

    def _hand_over(self, lane: _Lane, merge: Merge) -> None:
        self._bury_before(lane.upto, lane, merge)
        del self._lanes[lane.place]
        self._assign_more(merge, lane.place, lane.upto)
        if not self._lanes:
            log.info("the archive is read: Kafka goes on", topics=sorted(self._readers))

    def _give(self, lane: _Lane, frame: pl.DataFrame, merge: Merge) -> None:
        place, codec, reader = lane.place, self._codecs[lane.place.topic], self._readers[lane.place.topic]
        events = reader.columns.events(frame)
        for offset, event in zip(frame.get_column("_offset").to_list(), events, strict=True):
            letter = self._bury_before(offset, lane, merge)
            if isinstance(event, Unfit):
                key, value = str(event.fields[reader.topic.key]).encode(), codec.rewrite(event.fields)
                merge.add_bad(Dead(place, offset, key, value, event.reason))
                continue
            key, value = codec.key(event).encode(), letter.value if letter else codec.rewrite(event)
            merge.add(place, offset, key, codec.time_us(event), event, value, _LONG_AGO)

    def _bury_before(self, offset: int, lane: _Lane, merge: Merge) -> Letter | None:
        """Give out the dead letters that stand before this offset; the one at it is the record's own, as it came."""
        while lane.letters and lane.letters[0].offset <= offset:
            letter = lane.letters.popleft()
            if letter.offset == offset:
                return letter
            if letter.use_case is None:
                self._bury(letter, merge)
        return None

    def _bury(self, letter: Letter, merge: Merge) -> None:
        """A record that the archive has no row of is as dead as before, unless it was too large for a column alone."""
        codec = self._codecs[letter.place.topic]
        try:
            event = codec.decode(letter.value)
        except BadRecord:
            merge.add_bad(Dead(letter.place, letter.offset, None, None, letter.reason, sent=True))
            return
        key, time = codec.key(event).encode(), codec.time_us(event)
        merge.add(letter.place, letter.offset, key, time, event, letter.value, _LONG_AGO)

    def _letters_from(self, place: Place, offset: int) -> deque[Letter]:
        """What is dead for every reader or for ours: one letter an offset."""
        found: dict[int, Letter] = {}
        for one in self._letters[place.topic]:
            if one.place == place and one.offset >= offset and one.use_case in (None, self._reader):
                found.setdefault(one.offset, one)
        return deque(found.values())

    def _report(self, merge: Merge) -> None:
        """Tell the progress; what was read ahead when Kafka takes over is as good as given out."""
        offsets, total = merge.offsets, sum(then - self._first[place] for place, then in self._then.items())
        done = sum(min(offsets[place], then) - self._first[place] for place, then in self._then.items())
        self._progress(done if self._lanes else total, total)
