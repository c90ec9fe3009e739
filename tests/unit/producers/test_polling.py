"""Which rows of an API are sent, in what order, and what happens when it fails."""

import time
from collections import Counter
from typing import Any

import orjson
import pytest

from producers.cursors import Cursor, Cursors, save
from producers.cursors import _load as read_file
from producers.mapping import Poll, Row, Sheet
from producers.polling import Pause, Poller, Refused
from producers.sending import Stop
from streaming.errors import HeadraceError
from usecases.market.events import PRICES

DAY = 86_400


class Web:
    """Answers in turn; an exception is raised. After the last one the command is asked to end."""

    def __init__(self, stop: Stop, *answers: Any) -> None:
        self.stop, self.answers, self.asked = stop, list(answers), 0

    def get(self, _url: str, _headers: dict[str, str]) -> Any:
        self.asked += 1
        answer = self.answers.pop(0)
        if not self.answers:
            self.stop.request()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing."""


class Sender:
    """Keeps what was sent, and `None` wherever it was waited for Kafka; takes `room` records."""

    def __init__(self, room: int = 1_000) -> None:
        self.log: list[Any] = []
        self.room, self.delivered = room, Counter[str]()

    def send(self, topic: str, key: bytes, value: bytes, *, headers: Any) -> bool:
        assert (topic, headers[0][0]) == ("market.prices", "poll")
        if not self.room:
            return False
        self.room -= 1
        self.log.append((key.decode(), orjson.loads(value)["value"]))
        return True

    def flush(self) -> None:
        self.log.append(None)

    @property
    def sent(self) -> list[Any]:
        return [one for one in self.log if one is not None]


def poll(**sheet: Any) -> Poll:
    """Rows of `[symbol, seconds, value]`."""
    fields = {"symbol": 0, "time": 1, "value": 2}
    given = {"name": "test", "topic": PRICES.name, "url": "http://x/y", "every_s": 0.01, "fields": fields}
    return Poll(Sheet.model_validate(given | sheet), PRICES)


def run(*answers: Any, cursors: Cursors | None = None, sender: Any = None, **sheet: Any) -> tuple[Any, Cursors, Any]:
    """Poll until the answers are used up; gives sender, cursors and what was said."""
    stop = Stop()
    said: list[str] = []
    cursors, sender = cursors or Cursors("id"), sender or Sender()
    one: Any = poll(**sheet)
    web: Any = Web(stop, *answers)
    Poller(one, cursors, web, sender, stop, said.append, lambda: None).run(None)
    return sender, cursors, said


def test_rows_are_sent_once_in_order_of_time():
    """Whatever the API gives again."""
    sender, cursors, _ = run(
        [["A", 2 * DAY, 2], ["A", DAY, 1]], [["A", DAY, 1], ["A", 2 * DAY, 2], ["A", 3 * DAY, 3]], []
    )
    assert sender.sent == [("A", 1.0), ("A", 2.0), ("A", 3.0)]
    assert cursors.by_endpoint["test"] == Cursor(3 * DAY * 1_000_000, {"A"})


def test_rows_of_one_time_are_told_apart_by_key():
    """A second card of the same day is news; the first is not."""
    sender, _, _ = run([["A", DAY, 1]], [["A", DAY, 1], ["B", DAY, 5]], [])
    assert sender.sent == [("A", 1.0), ("B", 5.0)]


def test_rows_of_several_keys_wait_for_kafka_between_two_times():
    """Else a crash could lose an older one whose partition was slower. One key needs no wait but the last."""
    several, _, _ = run([["A", DAY, 1], ["B", DAY, 2], ["A", 2 * DAY, 3]], [])
    assert several.log == [("A", 1.0), ("B", 2.0), None, ("A", 3.0), None, None]
    one, _, _ = run([["A", DAY, 1], ["A", 2 * DAY, 3]], [])
    assert one.log == [("A", 1.0), ("A", 3.0), None]


def test_what_is_on_the_topic_is_not_sent_again():
    """By the cursor that was read back."""
    cursors = Cursors("id", {}, {"test": Cursor(2 * DAY * 1_000_000, {"A"})})
    sender, _, _ = run([["A", DAY, 1], ["A", 2 * DAY, 2], ["B", 2 * DAY, 3], ["A", 3 * DAY, 4]], [], cursors=cursors)
    assert sender.sent == [("B", 3.0), ("A", 4.0)]


def test_nothing_before_the_start_is_sent():
    """Where no cursor is known yet."""
    sender, _, _ = run([["A", DAY, 1], ["A", 3 * DAY, 2]], [], start="1970-01-03T00:00:00Z")
    assert sender.sent == [("A", 2.0)]


def test_a_row_that_may_still_change_waits():
    """It is sent when it is old enough."""
    sender, _, _ = run([["A", DAY, 1], ["A", 4_000_000_000, 2]], [], settled_after_s=60)
    assert sender.sent == [("A", 1.0)]


def test_a_row_that_does_not_fit_is_counted_and_said_once():
    """The others are sent."""
    sender, _, said = run([["A", DAY, "x"], ["A"], ["A", 2 * DAY, 2]], [])
    assert sender.sent == [("A", 2.0)]
    (sentence,) = said
    assert sentence.startswith("test: a row is passed over: value must be a valid number")
    assert sentence.endswith("got 'x'; further ones are only counted")


def test_after_failures_it_goes_on(monkeypatch):
    """Said once, and when it answers again; an answer of another form is a failure too."""
    monkeypatch.setattr("producers.polling._FIRST_PAUSE_S", 0.001)
    sender, _, said = run(Refused("it answers 500"), {"error": 1}, [["A", DAY, 1]], [], rows="data")
    assert sender.sent == []
    sender, _, said = run(Refused("it answers 500"), Refused("no"), [["A", DAY, 1]], [])
    assert sender.sent == [("A", 1.0)]
    assert said == ["test: it answers 500; asked again in 0 s, and then less and less often", "test: answers again"]


@pytest.mark.parametrize(("age_s", "waits"), [(1, True), (3_600, False)])
def test_an_api_that_has_news_each_second_is_not_asked_each_second(age_s, waits):
    """A price of right now is the last one for a while; one of an hour ago may have others behind it."""
    stop = Stop()
    one: Any = poll(every_s=1_000)
    web: Any = Web(stop, [["A", time.time() - age_s, 1]])
    sender: Any = Sender()
    poller = Poller(one, Cursors("id"), web, sender, stop, print, lambda: None)
    poller.run(None)
    assert sender.sent == [("A", 1.0)]
    assert (poller._pauses["test"].due > time.monotonic() + 500) == waits


def test_rows_that_kafka_did_not_take_are_not_passed():
    """The command ends; the cursor stands at the last one that was sent with all of its time."""
    sender, cursors, _ = run([["A", DAY, 1], ["B", DAY, 2], ["A", 2 * DAY, 3], ["B", 2 * DAY, 4]], [], sender=Sender(3))
    assert cursors.by_endpoint["test"] == Cursor(DAY * 1_000_000, {"A", "B"})
    assert sender.sent == [("A", 1.0), ("B", 2.0), ("A", 3.0)]


def test_pauses_grow_up_to_five_minutes_unless_the_server_says_how_long():
    """Half of it is chance, so that many pollers do not come at once."""
    pause = Pause()
    waits = [pause.failed(0.0, None) for _ in range(30)]
    for at, wait in enumerate(waits):
        assert min(300, 2**at) / 2 <= wait <= min(300, 2**at)
    assert pause.failed(0.0, 17.0) == 17.0
    assert pause.failed(0.0, 1e9) == 3_600
    assert pause.succeeded(5.0, 2.0)
    assert (pause.due, pause.failures) == (7.0, 0)


def test_noting_a_row_twice_changes_nothing():
    """So the topic may be read from before the file."""
    cursor = Cursor(5, {"A"})
    for time_us, key in ((4, "B"), (5, "A"), (5, "B"), (3, "A"), (5, "B")):
        cursor.pass_(time_us, key)
    assert cursor == Cursor(5, {"A", "B"})
    assert cursor.sent(Row(5, "B", b""))
    assert cursor.sent(Row(4, "Z", b""))
    assert not cursor.sent(Row(5, "C", b""))


def test_the_file_comes_back_as_it_was_written(tmp_path):
    """One that is not ours counts as none."""
    file = tmp_path / "poll" / "test.json"
    cursors = Cursors("id", {0: 7, 2: 9}, {"test/A": Cursor(5, {"A", "B"})})
    save(cursors, file)
    assert read_file(file) == cursors
    for spoiled in (b"", b"[]", b'{"topic_id": "id"}'):
        file.write_bytes(spoiled)
        assert read_file(file) is None
    assert read_file(tmp_path / "none.json") is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    """One sentence."""
    (tmp_path / "poll").write_text("a file")
    with pytest.raises(HeadraceError, match="cannot be written"):
        save(Cursors("id"), tmp_path / "poll" / "test.json")
