"""Where a simulation goes on."""

from collections import defaultdict
from itertools import islice

import pytest

from producers import telecom
from producers.ends import Ends, Last, not_yet_sent
from producers.sending import Stop
from streaming.codec import Codec
from streaming.partition import partition_of
from usecases.telecom.events import CHURN, USAGE

COUNT = 3_000


def everything() -> list[tuple[str, bytes | None, bytes]]:
    """The records of the first events, with nothing sent before."""
    return list(not_yet_sent(islice(telecom.events(seed=8), COUNT), Ends({CHURN.name: 3, USAGE.name: 3}, {}), Stop()))


def test_nothing_sent():
    """Empty topics get everything."""
    assert len(everything()) == COUNT


@pytest.mark.parametrize("cuts", [(10, 500, 900), (0, 1_000, 3), (900, 900, 900)])
def test_each_partition_goes_on_where_it_ends(cuts):
    """Whatever each partition has got, the rest of it comes, in order, nothing twice."""
    lanes: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for topic, key, value in everything():
        lanes[topic, partition_of(key or b"", 3)].append(value)
    last = {}
    for (topic, partition), values in lanes.items():
        codec = Codec(CHURN if topic == CHURN.name else USAGE)
        if sent := values[: cuts[partition]]:
            event = codec.decode(sent[-1])
            last[topic, partition] = Last(codec.time_us(event), codec.key(event))
    rest: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    ends = Ends({CHURN.name: 3, USAGE.name: 3}, last)
    for topic, key, value in not_yet_sent(islice(telecom.events(seed=8), COUNT), ends, Stop()):
        rest[topic, partition_of(key or b"", 3)].append(value)
    assert {place: values[: cuts[place[1]]] + rest[place] for place, values in lanes.items()} == lanes


def test_stop_ends_the_skipping():
    """A command that is to end does not go through what has been sent."""
    stop = Stop()
    stop.request()
    assert list(not_yet_sent(telecom.events(), Ends({CHURN.name: 1, USAGE.name: 1}, {}), stop)) == []
