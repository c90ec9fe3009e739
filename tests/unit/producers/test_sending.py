"""The pace of sending, and waiting for Kafka."""

import pytest

from producers import sending
from producers.sending import Pace, Stop, patiently
from streaming.errors import HeadraceError, Unavailable
from streaming.settings import Kafka


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def pace(rate: float | None, clock: Clock, stop: Stop | None = None) -> Pace:
    """A pace on this clock."""
    return Pace(rate, stop or Stop(), clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize("rate", [0.5, 200, 50_000])
def test_events_are_spread_evenly(rate):
    """The n-th event is sent (n - 1) / rate seconds after the first, give or take a millisecond."""
    clock = Clock()
    steady = pace(rate, clock)
    for n in range(200):
        steady.wait()
        assert clock.now - 100 == pytest.approx(n / rate, abs=0.0011)


def test_time_lost_in_sending_is_made_up():
    """Short delays do not lower the rate."""
    clock = Clock()
    steady = pace(100, clock)
    for _ in range(101):
        steady.wait()
        clock.now += 0.004
    assert clock.now - 100 == pytest.approx(1.0, abs=0.01)


def test_a_long_pause_is_not_made_up():
    """After a pause events come at the rate again, not all at once."""
    clock = Clock()
    steady = pace(100, clock)
    steady.wait()
    clock.now += 30
    for _ in range(101):
        steady.wait()
    assert clock.now - 130 == pytest.approx(1.0, abs=0.02)


def test_max():
    """Without a rate nothing waits."""
    clock = Clock()
    fast = pace(None, clock)
    for _ in range(1_000):
        fast.wait()
    assert clock.now == 100


def test_stop_ends_the_waiting():
    """A command that is to end does not wait for its next event."""
    clock, stop = Clock(), Stop()
    slow = pace(0.001, clock, stop)
    slow.wait()
    stop.request()
    slow.wait()
    assert clock.now == 100


def test_patience(monkeypatch):
    """The action is done once Kafka answers; what it raises otherwise is not waited for."""
    answers = iter([Unavailable("away"), Unavailable("away"), None])

    def wait_for_kafka(*_, **__):
        if (problem := next(answers)) is not None:
            raise problem

    monkeypatch.setattr(sending, "wait_for_kafka", wait_for_kafka)
    said: list[str] = []
    assert patiently(lambda: 7, Kafka(), Stop(), said.append) == 7
    assert said == []  # a hiccup is not worth a sentence

    def refused():
        raise HeadraceError("no such right")

    monkeypatch.setattr(sending, "wait_for_kafka", lambda *_, **__: None)
    with pytest.raises(HeadraceError, match="no such right"):
        patiently(refused, Kafka(), Stop(), said.append)


def test_impatience():
    """A command that is to end does not wait for Kafka."""
    stop = Stop()
    stop.request()
    assert patiently(lambda: 7, Kafka(bootstrap_servers="127.0.0.1:1"), stop, print) is None
