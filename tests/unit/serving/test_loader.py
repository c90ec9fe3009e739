"""Loading, refusing and swapping snapshots."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from serving.app import _take
from serving.loader import Loader, Refused, load_model, read_model, sample_features
from serving.model import Model, Models
from serving.records import Records, Wanted
from streaming.errors import Unavailable
from streaming.pins import pin_key, pin_record
from streaming.snapshots import seal_model
from streaming.store import Store
from streaming.topics import CONTROL, MODELS
from tests.api import FakeStore, Heating, learned, pointer
from tests.support import wait_for

KEY = b"k" * 32


class Bench:
    """A loader over a store in memory, driven by hand."""

    def __init__(self) -> None:
        self.store, self.records, self.complete = FakeStore(), Records(), threading.Event()
        self.models: Models = {}
        self.sample: dict[str, Any] = {"degrees": 1.0}
        self.reads: list[str] = []
        self.loader = Loader(Heating(), self.records, self.models, self.read, lambda: self.sample, self.complete)

    def read(self, wanted: Wanted) -> Model:
        self.reads.append(wanted.object)
        return read_model(cast("Store", self.store), KEY, Heating(), wanted)

    def publish(self, epoch: int, n: int, model=None, key: bytes = KEY) -> None:
        one = pointer(epoch=epoch, n=n)
        self.store.objects[one.object] = seal_model(one, model or learned(), key)
        self.point(epoch, n)

    def point(self, epoch: int, n: int) -> None:
        one = pointer(epoch=epoch, n=n)
        self.records.take(MODELS, one.key, one.encode())

    @property
    def served(self) -> str | None:
        model = self.models.get(("heating", "0"))
        return None if model is None else model.pointer.snapshot


def refused(reason: str) -> float:
    """The counter so far."""
    labels = {"use_case": "heating", "reason": reason}
    return REGISTRY.get_sample_value("headrace_snapshot_refused_total", labels) or 0.0


@pytest.fixture
def bench():
    """Nothing published yet."""
    return Bench()


def test_the_newest_snapshot_is_served(bench):
    """And loaded once."""
    bench.publish(1, 1)
    bench.publish(1, 2)
    bench.loader.look()
    bench.loader.look()
    assert bench.served == "1-2"
    assert len(bench.reads) == 1


def test_a_swap_tells_how_old_the_newest_event_is_that_the_model_knows(bench):
    """From its time in Kafka; a snapshot that does not tell it is left out."""

    def seen(end):
        return REGISTRY.get_sample_value(f"headrace_event_served_seconds_{end}", {"use_case": "heating"})

    count, total = seen("count"), seen("sum")
    bench.publish(1, 1)
    bench.loader.look()
    assert seen("count") == count
    one = replace(pointer(epoch=1, n=2), written=time.time() - 100)
    bench.store.objects[one.object] = seal_model(one, learned(), KEY)
    bench.point(1, 2)
    bench.loader.look()
    assert seen("count") == count + 1
    assert 100 <= seen("sum") - total < 160


def test_a_swap_tells_how_long_ago_the_model_was_taken(bench):
    """And that it was loaded."""

    def seen(name):
        return REGISTRY.get_sample_value(f"headrace_snapshot_{name}", {"use_case": "heating"}) or 0.0

    names = ("swaps_total", "delay_seconds_count", "delay_seconds_sum", "load_seconds_count")
    before = {name: seen(name) for name in names}
    taken = datetime.now(UTC) - timedelta(seconds=100)
    one = replace(pointer(epoch=1, n=1), time=taken.isoformat())
    bench.store.objects[one.object] = seal_model(one, learned(), KEY)
    bench.records.take(MODELS, one.key, one.encode())
    bench.loader.look()
    added = {name: seen(name) - before[name] for name in names}
    assert 100 <= added.pop("delay_seconds_sum") < 160
    assert added == {"swaps_total": 1, "delay_seconds_count": 1, "load_seconds_count": 1}


def test_a_zombie_is_ignored(bench):
    """A lower epoch never replaces a higher one, however new."""
    bench.publish(5, 1)
    bench.loader.look()
    bench.publish(4, 900)
    bench.loader.look()
    assert bench.served == "5-1"
    assert len(bench.reads) == 1


def test_a_newer_epoch_replaces_though_it_learned_less(bench):
    """After a crash the truth is what the new owner knows."""
    bench.publish(1, 50)
    bench.loader.look()
    bench.publish(2, 1)
    bench.loader.look()
    assert bench.served == "2-1"


@pytest.mark.parametrize(
    "tamper", [lambda data: data[:-1] + b"x", lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"cos\nid"]
)
def test_a_tampered_snapshot_is_refused_and_the_old_model_serves_on(bench, tamper):
    """Once: the counter rises by one, the object is not read again."""
    bench.publish(1, 1)
    bench.loader.look()
    bench.publish(1, 2)
    bench.store.objects[pointer(n=2).object] = tamper(bench.store.objects[pointer(n=2).object])
    before = refused("damaged")
    bench.loader.look()
    bench.loader.look()
    assert bench.served == "1-1"
    assert refused("damaged") == before + 1
    bench.publish(1, 3)
    bench.loader.look()
    assert bench.served == "1-3"


def test_an_older_snapshot_under_the_newest_name_is_refused(bench):
    """Though we signed it; it is counted, and the served model stays."""
    bench.publish(1, 1)
    bench.publish(1, 2)
    bench.loader.look()
    bench.point(1, 3)
    bench.store.objects[pointer(n=3).object] = bench.store.objects[pointer(n=1).object]
    before = refused("damaged")
    bench.loader.look()
    assert bench.served == "1-2"
    assert refused("damaged") == before + 1


def test_an_older_pointer_that_is_published_again_changes_nothing(bench):
    """Its object may still be there."""
    bench.publish(1, 1)
    bench.publish(1, 2)
    bench.loader.look()
    bench.point(1, 1)
    bench.loader.look()
    assert bench.served == "1-2"
    assert bench.reads == [pointer(n=2).object]


def test_another_snapshot_in_the_place_of_the_pinned_one_is_refused(bench):
    """A pin tells which snapshot it means."""
    bench.publish(1, 9)
    bench.loader.look()
    bench.store.objects["pins/heating/4.model"] = seal_model(pointer(n=3), learned(), KEY)
    bench.records.take(CONTROL, *pin_record("heating", 4, "1-2"))
    before = refused("damaged")
    bench.loader.look()
    assert bench.served == "1-9"
    assert refused("damaged") == before + 1


def test_another_key_is_refused(bench):
    """Signed by someone else."""
    bench.publish(1, 1, key=b"other")
    bench.loader.look()
    assert bench.served is None


def test_nothing_older_is_served_in_place_of_a_damaged_one(bench):
    """Whoever changes the newest object must not choose which model serves."""
    bench.publish(1, 1)
    bench.publish(2, 1, key=b"other")
    bench.loader.look()
    bench.loader.look()
    assert bench.served is None


def test_a_model_of_another_use_case_is_refused(bench):
    """Though its signature is right."""
    one = pointer("other")
    data = seal_model(one, learned(), KEY)
    with pytest.raises(Refused, match="a model of other"):
        load_model(data, KEY, Heating(), one.object)


def test_a_model_that_cannot_answer_is_refused(bench):
    """It is asked a recent request before it is served."""

    bench.publish(1, 1)
    bench.loader.look()
    bench.sample = {"degrees": "not a number"}
    before = refused("fails")
    bench.publish(1, 2)
    bench.loader.look()
    assert bench.served == "1-1"
    assert refused("fails") == before + 1


def test_a_missing_object_is_passed_over_where_nothing_is_served(bench):
    """The store was emptied, its pointers stayed: what is there serves."""
    bench.point(7, 3)
    bench.publish(1, 2)
    bench.loader.look()
    assert bench.served == "1-2"


def test_a_missing_object_leaves_the_served_model(bench):
    """And is counted."""
    bench.publish(1, 1)
    bench.loader.look()
    before = refused("missing")
    bench.point(1, 2)
    bench.loader.look()
    assert bench.served == "1-1"
    assert refused("missing") == before + 1


def test_an_object_pruned_because_a_newer_one_came_is_no_refusal(bench):
    """The loader was slow, nothing is wrong."""
    bench.point(1, 1)
    before, read = refused("missing"), bench.read

    def slow(wanted):
        bench.publish(1, 2)
        return read(wanted)

    bench.loader._read = slow
    bench.loader.look()
    assert refused("missing") == before


def test_a_pin_is_served_until_it_is_taken_back(bench):
    """Newer snapshots wait meanwhile; then the newest comes."""
    bench.publish(1, 9)
    bench.loader.look()
    bench.store.objects["pins/heating/4.model"] = seal_model(pointer(n=2), learned(), KEY)
    bench.records.take(CONTROL, *pin_record("heating", 4))
    bench.loader.look()
    assert (bench.served, bench.models["heating", "0"].pinned) == ("1-2", 4)
    bench.publish(1, 10)
    bench.loader.look()
    assert bench.served == "1-2"
    bench.records.take(CONTROL, pin_key("heating"), None)
    bench.loader.look()
    assert (bench.served, bench.models["heating", "0"].pinned) == ("1-10", None)


def test_a_pin_whose_object_is_gone_leaves_the_served_model(bench):
    """Better than none."""
    bench.publish(1, 9)
    bench.loader.look()
    bench.records.take(CONTROL, *pin_record("heating", 4))
    bench.loader.look()
    assert bench.served == "1-9"


def test_a_store_that_is_away_refuses_nothing(bench):
    """It is asked again."""
    bench.publish(1, 1)
    bench.store.away = True
    before = refused("missing")
    with pytest.raises(Unavailable):
        bench.loader.look()
    bench.store.away = False
    bench.loader.look()
    assert bench.served == "1-1"
    assert refused("missing") == before


def test_the_thread_waits_for_complete_records(bench):
    """What is said on the way to the end of the topics is long replaced."""
    bench.publish(1, 1)
    bench.loader.start()
    try:
        bench.loader.wake()
        assert not bench.loader.ready
        bench.publish(1, 2)
        bench.complete.set()
        wait_for(lambda: bench.loader.ready, timeout_s=10, what="the first look")
        assert bench.served == "1-2"
        assert bench.reads == [pointer(n=2).object]
        bench.publish(1, 3)
        bench.loader.wake()
        wait_for(lambda: bench.served == "1-3", timeout_s=10, what="the swap")
    finally:
        bench.loader.stop()


def test_a_pin_does_not_wait_for_the_rest_after_a_load(bench, monkeypatch):
    """Snapshots are spaced by what the last one cost; what a person wants is served at once."""
    monkeypatch.setattr("serving.loader._REST", 1e9)
    bench.publish(1, 1)
    bench.complete.set()
    bench.loader.start()
    try:
        wait_for(lambda: bench.served == "1-1", timeout_s=10, what="the first model")
        bench.store.objects["pins/heating/4.model"] = seal_model(pointer(n=2), learned(), KEY)
        _take(bench.records, {"heating": bench.loader}, CONTROL, *pin_record("heating", 4))
        assert wait_for(lambda: bench.served == "1-2", timeout_s=10, what="the pin")
        _take(bench.records, {"heating": bench.loader}, CONTROL, pin_key("heating"), None)
        assert wait_for(lambda: bench.served == "1-1", timeout_s=10, what="the newest again")
    finally:
        bench.loader.stop()


def test_a_sample_is_the_first_recent_body_that_fits():
    """Bodies of another version of the use case are passed over."""
    assert sample_features(Heating(), {"recent": [{"room": "R1"}, 3, {"degrees": 4.0}]}) == {"degrees": 4.0}
    assert sample_features(Heating(), {"recent": [{}]}) is None
    assert sample_features(Heating(), None) is None
