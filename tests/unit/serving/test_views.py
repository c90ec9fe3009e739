"""Views in memory."""

import asyncio
import threading

import orjson
import pytest

from serving.views import MemoryViews
from streaming.errors import Unavailable


def value(gb: float, epoch: int, event_time: int) -> bytes:
    """A published view."""
    return orjson.dumps({"view": {"gb": gb}, "event_time": event_time, "epoch": epoch})


@pytest.fixture
def views():
    """Views whose topics are read to their end."""
    complete = threading.Event()
    complete.set()
    return MemoryViews(complete)


def gb(views: MemoryViews, key: str) -> float | str | None:
    """The one number of a key's view."""
    (found,) = asyncio.run(views.find("churn", [key]))
    return None if found is None else found.view["gb"]


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ((1, 11), 2.0),  # later
        ((1, 10), 2.0),  # at the same moment: the record that came last
        ((1, 9), 1.0),  # earlier
        ((2, 3), 2.0),  # a newer epoch, though its event is earlier
        ((0, 99), 1.0),  # a zombie
    ],
)
def test_an_older_view_never_overwrites_a_newer_one(views, second, wanted):
    """Epoch first, then event time."""
    views.take("churn.views", "C1", value(1.0, 1, 10))
    views.take("churn.views", "C1", value(2.0, *second))
    assert gb(views, "C1") == wanted


def test_a_tombstone_removes_a_view(views):
    """A key that is forgotten is not known."""
    views.take("churn.views", "C1", value(1.0, 1, 10))
    views.take("churn.views", "C1", None)
    assert gb(views, "C1") is None


def test_what_is_no_view_is_passed_over(views):
    """The old one stays."""
    views.take("churn.views", "C1", value(1.0, 1, 10))
    for wrong in (b"", b"3", b"[]", b'{"view": 3, "event_time": 99, "epoch": 99}'):
        views.take("churn.views", "C1", wrong)
    assert gb(views, "C1") == 1.0


def test_a_key_is_unknown_only_once_the_topic_is_read():
    """Until then nobody can tell; what has been read is answered."""
    views = MemoryViews(threading.Event())
    views.take("churn.views", "C1", value(1.0, 1, 10))
    assert gb(views, "C1") == 1.0
    with pytest.raises(Unavailable, match="not read to its end"):
        gb(views, "C2")
