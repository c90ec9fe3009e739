"""What the compacted topics said last."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from serving.records import Records, Wanted
from streaming.control import training_record
from streaming.pins import pin_key, pin_record
from streaming.snapshots import Pointer
from streaming.topics import CONTROL, MODELS, STATUS

BEGAN = datetime.now(UTC)


def pointer(epoch: int, n: int, shard: str = "0") -> Pointer:
    """A pointer to a snapshot of churn."""
    return Pointer("churn", shard, epoch, n, "logistic", 10 * n, None, "ROCAUC", 0.7, 0.8, BEGAN.isoformat())


def status(epoch: int, learned: int, *, seconds: float = 0.0, applied: bool = True) -> bytes:
    """A trainer's status, said so many seconds from now."""
    said = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    training = {"wanted": applied, "applied": applied}
    return orjson.dumps({"epoch": epoch, "learned": learned, "time": said, "training": training})


@pytest.fixture
def records():
    """Nothing said yet."""
    return Records()


def say(records: Records, one: Pointer) -> str | None:
    """A pointer's record."""
    return records.take(MODELS, one.key, one.encode())


def test_the_highest_epoch_comes_first(records):
    """A zombie's newer snapshot of a lower epoch stays behind."""
    for one in (pointer(3, 7), pointer(5, 1), pointer(3, 900)):
        assert say(records, one) == "churn"
    assert [wanted.order for wanted in records.wanted("churn")] == [(5, 1), (3, 900)]
    assert records.newest("churn") == pointer(5, 1)


def test_an_older_pointer_of_the_same_epoch_changes_nothing(records):
    """Records may come twice."""
    say(records, pointer(5, 4))
    say(records, pointer(5, 3))
    assert [wanted.order for wanted in records.wanted("churn")] == [(5, 4)]


def test_a_tombstone_removes_a_pointer(records):
    """The owner buries lower epochs."""
    say(records, pointer(3, 7))
    say(records, pointer(5, 1))
    records.take(MODELS, pointer(3, 7).key, None)
    assert len(records.wanted("churn")) == 1


@pytest.mark.parametrize("value", [b"no json", b"[]", b'{"use_case":"churn"}'])
def test_what_is_no_pointer_is_passed_over(records, value):
    """A record that cannot be read must not stop the others."""
    assert records.take(MODELS, "churn/0/9", value) is None
    assert records.wanted("churn") == []


def test_a_pointer_under_another_key_is_passed_over(records):
    """Who writes under the key of another shard or epoch is not believed."""
    assert records.take(MODELS, "churn/0/99", pointer(5, 1).encode()) is None
    assert records.wanted("churn") == []


def test_a_pin_hides_the_pointers_until_it_is_taken_back(records):
    """The pinned version alone is wanted."""
    say(records, pointer(5, 1))
    assert records.take(CONTROL, *pin_record("churn", 4)) == "churn"
    assert records.wanted("churn") == [Wanted("0", "pins/churn/4.model", None, 4)]
    assert records.take(CONTROL, pin_key("churn"), None) == "churn"
    assert [wanted.pinned for wanted in records.wanted("churn")] == [None]


def test_training_is_wanted_until_someone_says_otherwise(records):
    """The switch is on by itself."""
    assert records.training_wanted("churn")
    records.take(CONTROL, *training_record("churn", enabled=False))
    assert not records.training_wanted("churn")


def test_applied_is_what_a_trainer_said_lately(records):
    """Nobody has spoken for ten seconds: not known."""
    assert records.training_applied("churn") is None
    records.take(STATUS, "churn/0", status(1, 5, applied=False))
    assert records.training_applied("churn") is False
    records.take(STATUS, "churn/0", status(2, 5, seconds=-60))
    assert records.training_applied("churn") is None


def test_a_zombie_status_is_not_heard(records):
    """A lower epoch replaces a higher one only after a silence."""
    records.take(STATUS, "churn/0", status(5, 100))
    records.take(STATUS, "churn/0", status(4, 7, seconds=1))
    assert records.status("churn")["learned"] == 100
    records.take(STATUS, "churn/0", status(4, 8, seconds=11))
    assert records.status("churn")["learned"] == 8


def test_a_status_of_another_use_case_is_not_mine(records):
    """`churn` is not `churn-2`."""
    records.take(STATUS, "churn-2/0", status(5, 100))
    assert records.status("churn") is None


@pytest.mark.parametrize("value", [b"7", b"{}", b"{", b'{"time": 3}'])
def test_what_is_no_status_is_passed_over(records, value):
    """Neither numbers nor empty objects."""
    records.take(STATUS, "churn/0", value)
    assert records.status("churn") is None
