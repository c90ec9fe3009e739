"""The event-time merge: one order, whatever the partitions."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from streaming.merge import Dead, Merge, Place
from streaming.topics import Topic

DAY = 86_400_000_000


class Row(TypedDict):
    """A minimal event."""

    key: str
    time: float


ANSWERS = Topic("answers", Row, key="key", time="time")
ASKED = Topic("asked", Row, key="key", time="time")


def merge_of(partitions: dict[Place, list[tuple[int, bytes]]], *, close: bool = True, wait_s: float = 0.1) -> Merge:
    merge = Merge([ANSWERS, ASKED], dict.fromkeys(partitions, 0), wait_s=wait_s)
    for place, rows in partitions.items():
        for offset, (time, key) in enumerate(rows):
            merge.add(place, offset, key, time, {}, b"", 0.0)
        if close:
            merge.close(place)
    return merge


def drain(merge: Merge, now: float = 0.0) -> list[tuple[int, bool, list[tuple[str, bytes]]]]:
    found = []
    while (moment := merge.next(now)) is not None:
        found.append((moment.time, moment.late, [(r.topic, r.key) for r in moment.records]))
    return found


def test_one_moment_holds_all_records_of_that_time_answers_first_then_by_key():
    merge = merge_of({Place("asked", 0): [(1, b"b"), (2, b"a")], Place("answers", 0): [(1, b"z"), (1, b"a")]})
    assert drain(merge) == [
        (1, False, [("answers", b"a"), ("answers", b"z"), ("asked", b"b")]),
        (2, False, [("asked", b"a")]),
    ]


rows = st.lists(st.tuples(st.integers(0, 50), st.sampled_from([b"a", b"b", b"c", b"d"])), min_size=2, max_size=40)


@given(rows=rows, partitions=st.integers(1, 4))
def test_the_order_does_not_depend_on_the_number_of_partitions(rows, partitions):
    rows = sorted(rows, key=lambda row: row[0])
    one = merge_of({Place("asked", 0): rows})
    split: dict[Place, list[tuple[int, bytes]]] = {Place("asked", p): [] for p in range(partitions)}
    for time, key in rows:
        split[Place("asked", key[0] % partitions)].append((time, key))
    assert drain(merge_of(split)) == drain(one)


@given(rows=rows, cut=st.integers(0, 39))
def test_a_restart_at_the_given_out_offsets_goes_on_in_the_same_order(rows, cut):
    rows = sorted(rows, key=lambda row: row[0])
    places = {Place("asked", 0): rows[::2], Place("asked", 1): rows[1::2]}
    whole = drain(merge_of(places))
    first = merge_of(places)
    seen = []
    for _ in range(cut):
        moment = first.next(0.0)
        if moment is None:
            break
        seen.append((moment.time, moment.late, [(r.topic, r.key) for r in moment.records]))
    second = Merge([ANSWERS, ASKED], first.offsets, wait_s=0, clock=first.clock)
    for place, content in places.items():
        for offset, (time, key) in enumerate(content):
            if offset >= first.offsets[place]:
                second.add(place, offset, key, time, {}, b"", 0.0)
        second.close(place)
    assert seen + drain(second) == whole


def test_a_partition_with_records_to_fetch_is_waited_for_as_long_as_it_takes():
    merge = Merge([ANSWERS, ASKED], {Place("asked", 0): 0, Place("asked", 1): 0}, wait_s=0.1, clock=0)
    merge.add(Place("asked", 0), 0, b"a", 5, {}, b"", 0.0)
    merge.ended(Place("asked", 0), 1)
    assert merge.next(now=1e9) is None
    merge.ended(Place("asked", 1), 0)
    assert merge.next(now=1e9) is not None


def test_a_partition_at_its_end_holds_a_record_up_for_the_wait_counted_from_its_fetch():
    merge = Merge([ANSWERS, ASKED], {Place("asked", 0): 0, Place("asked", 1): 0}, wait_s=0.1, clock=0)
    merge.ended(Place("asked", 1), 0)
    merge.add(Place("asked", 0), 0, b"a", 5, {}, b"", 7.0)
    merge.ended(Place("asked", 0), 1)
    assert merge.next(now=7.05) is None
    assert merge.next(now=7.11) is not None


def test_a_moment_waits_until_its_last_record_is_fetched():
    merge = Merge([ANSWERS, ASKED], {Place("asked", 0): 0}, wait_s=0, clock=0)
    merge.add(Place("asked", 0), 0, b"a", 5, {}, b"", 0.0)
    assert merge.next(0.0) is None
    merge.add(Place("asked", 0), 1, b"b", 5, {}, b"", 0.0)
    merge.add(Place("asked", 0), 2, b"c", 6, {}, b"", 0.0)
    moment = merge.next(0.0)
    assert moment is not None
    assert [r.key for r in moment.records] == [b"a", b"b"]


def test_a_record_behind_the_clock_is_used_at_once_and_is_late():
    merge = merge_of({Place("asked", 0): [(10, b"a"), (3, b"b"), (11, b"c")]})
    assert [(time, late) for time, late, _ in drain(merge)] == [(10, False), (3, True), (11, False)]
    assert merge.clock == 11


FAR = 40_000 * DAY


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("bad", [0, 5, 20])
def test_one_record_far_in_the_future_is_a_dead_letter_and_the_order_of_the_rest_stays(partitions, bad):
    good = [(20_000 * DAY + i, bytes([97 + i % 7])) for i in range(21)]
    split: dict[Place, list[tuple[int, bytes]]] = {Place("asked", p): [] for p in range(partitions)}
    for i, (time, key) in enumerate(good):
        if i == bad:
            split[Place("asked", 0)].append((FAR, b"x"))
        split[Place("asked", key[0] % partitions)].append((time, key))
    merge = merge_of(split)
    assert drain(merge) == drain(merge_of({Place("asked", 0): good}))
    assert len(merge.take_dead()) == 1
    assert merge.clock == good[-1][0]


def test_a_sparse_partition_that_begins_after_max_jump_keeps_its_records():
    early = [(i * DAY, b"a") for i in range(200)]
    late = [(i * DAY, b"b") for i in range(150, 200)]
    merge = merge_of({Place("answers", 0): late, Place("asked", 0): early})
    assert sum(len(records) for _, _, records in drain(merge)) == 250
    assert merge.take_dead() == []


def test_live_a_first_event_is_held_until_the_next_one_agrees():
    merge = Merge([ASKED], {Place("asked", 0): 0}, wait_s=0)
    merge.add(Place("asked", 0), 0, b"x", FAR, {}, b"", 0.0)
    merge.ended(Place("asked", 0), 1)
    assert merge.next(1.0) is None
    for offset, time in enumerate((5 * DAY, 6 * DAY), start=1):
        merge.add(Place("asked", 0), offset, b"a", time, {}, b"", 0.0)
    merge.ended(Place("asked", 0), 3)
    assert [time for time, _, _ in drain(merge, 1.0)] == [5 * DAY, 6 * DAY]
    assert [dead.offset for dead in merge.take_dead()] == [0]


def test_the_only_event_of_a_closed_topic_is_used():
    assert drain(merge_of({Place("asked", 0): [(FAR, b"x")]})) == [(FAR, False, [("asked", b"x")])]


def test_bad_records_leave_as_dead_letters_and_their_offsets_count():
    merge = Merge([ASKED], {Place("asked", 0): 0}, wait_s=0)
    place = Place("asked", 0)
    merge.add(place, 0, b"a", 1, {}, b"", 0.0)
    merge.add_bad(Dead(place, 1, b"a", b"{", "not JSON"))
    merge.add(place, 2, b"a", 2, {}, b"", 0.0)
    merge.add_bad(Dead(place, 3, None, None, "the record has no value"))
    merge.close(place)
    assert [time for time, _, _ in drain(merge)] == [1, 2]
    assert [dead.offset for dead in merge.take_dead()] == [1, 3]
    assert merge.offsets == {place: 4}
    assert merge.drained


def test_max_jump_belongs_to_the_topic():
    wide = Topic("wide", Row, key="key", time="time", max_jump=timedelta(days=400))
    merge = Merge([wide], {Place("wide", 0): 0}, wait_s=0)
    for offset, day in enumerate((0, 1, 200)):
        merge.add(Place("wide", 0), offset, b"a", day * DAY, {}, b"", 0.0)
    merge.close(Place("wide", 0))
    assert len(drain(merge)) == 3


def test_a_moment_larger_than_the_read_ahead_is_still_read():
    merge = Merge([ASKED], {Place("asked", 0): 0}, wait_s=0, read_ahead=100, clock=0)
    for offset in range(150):
        merge.add(Place("asked", 0), offset, b"a", 7, {}, b"", 0.0)
    assert not merge.full(Place("asked", 0))
    merge.add(Place("asked", 0), 150, b"a", 8, {}, b"", 0.0)
    assert merge.full(Place("asked", 0))
    moment = merge.next(0.0)
    assert moment is not None
    assert len(moment.records) == 150
