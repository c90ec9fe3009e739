"""Waiting for a server that is away."""

from structlog.testing import capture_logs

from streaming.errors import Unavailable
from streaming.patience import Patience


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_double_up_to_five_seconds():
    """And begin anew after a success."""
    clock = Clock()
    patience, pauses = Patience(clock), []
    for _ in range(8):
        patience.failed(Unavailable("the store is away"))
        began = clock.now
        while not patience.ready:
            clock.now += 0.05
        pauses.append(round(clock.now - began, 1))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    patience.succeeded()
    assert patience.ready


def test_it_is_said_once_and_only_when_it_lasts():
    """A hiccup is not worth a word; a wait of an hour is worth two."""
    clock = Clock()
    patience = Patience(clock, topic="t")
    with capture_logs() as said:
        patience.failed(Unavailable("hiccup"))
        patience.succeeded()
        for _ in range(5):
            patience.failed(Unavailable("the store is away"))
            clock.now += 0.6
        patience.succeeded()
    assert [(line["log_level"], line["event"]) for line in said] == [
        ("warning", "a server is away, tried again"),
        ("info", "answers again"),
    ]
    assert said[0]["reason"] == "the store is away"
    assert said[1]["after_s"] == 3.0
