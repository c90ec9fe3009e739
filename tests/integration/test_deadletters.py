"""Dead letters against a real broker: listed, mended, sent back once, heard by those who had refused them."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from confluent_kafka import Message
from pydantic import Field
from typing_extensions import TypedDict

from headrace.__main__ import main
from streaming import turn as turns
from streaming.control import read_status
from streaming.deadletters import Letter, ensure, read_letters, send
from streaming.errors import HeadraceError
from streaming.kafka import producer
from streaming.merge import Dead, Place
from streaming.origin import origin_of
from streaming.resend import send_back, sent_before
from streaming.settings import Kafka
from streaming.topics import Topic
from streaming.turn import turn
from tests.support import CommandLine, fill, make_topic, read_all, unique

USE_CASES = """
from typing import Annotated

from pydantic import Field
from river import linear_model, metrics
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Reading(TypedDict):
    meter: Annotated[str, Field(min_length=1)]
    second: int
    value: Annotated[float, Field(ge=0)]


READINGS = Topic({topic!r}, Reading, key="meter", time="second")


class Meter:
    def __init__(self):
        self.values = []

    def view(self):
        return {{"count": len(self.values), "sum": sum(self.values)}}


class Strict(UseCase):
    name = {strict!r}
    topics = [READINGS]
    profile = Meter
    metric = metrics.MAE
    candidates = {{"linear": linear_model.LinearRegression}}

    @on(READINGS)
    def learn(self, event, profile):
        profile.values.append(event["value"])
        yield Example(key=event["meter"], x={{"count": len(profile.values)}}, y=event["value"])
        if event["value"] == 13:
            profile.values.clear()
            raise ValueError("thirteen")


class Easy(UseCase):
    name = {easy!r}
    topics = [READINGS]
    metric = metrics.MAE
    candidates = {{"linear": linear_model.LinearRegression}}

    @on(READINGS)
    def learn(self, event, profile):
        yield Example(key=event["meter"], x={{"one": 1.0}}, y=event["value"])
"""


class Reading(TypedDict):
    meter: Annotated[str, Field(min_length=1)]
    second: int
    value: Annotated[float, Field(ge=0)]


def reading(second: int, value: Any) -> bytes:
    return json.dumps({"meter": "m", "second": second, "value": value}).encode()


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(cli, monkeypatch, capsys) -> Call:
    """`headrace …` in this process: exit code, stdout and stderr."""
    monkeypatch.chdir(cli.folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        for name, value in cli.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["headrace", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), *capsys.readouterr()

    return run


class World:
    """One topic with two use cases, one of which cannot bear the number thirteen."""

    def __init__(self, bootstrap: str, cli: CommandLine) -> None:
        self.bootstrap, self.cli = bootstrap, cli
        self.topic, self.strict, self.easy = (unique(name) for name in ("readings", "strict", "easy"))
        self.strict, self.easy = self.strict.replace(".", "-"), self.easy.replace(".", "-")
        code = USE_CASES.format(topic=self.topic, strict=self.strict, easy=self.easy)
        (cli.folder / "meters.py").write_text(code)
        cli.environment |= {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap, "HEADRACE_USE_CASES": "meters.py"}
        make_topic(bootstrap, self.topic, partitions=2)

    def train(self, use_case: str) -> dict[str, Any]:
        run = self.cli("train", use_case, "--until-end")
        assert run.returncode == 0, run.stderr
        found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
        return found

    def inputs(self, use_case: str) -> list[dict[str, Any]]:
        """What the last run made of the events, in its order."""
        (status,) = read_status(Kafka(bootstrap_servers=self.bootstrap), use_case)
        recent: list[dict[str, Any]] = status["recent"]
        return recent


def test_a_letter_is_mended_by_hand_sent_back_once_and_heard_by_those_who_had_refused_it(kafka, cli, call):
    """One record no reader could decode, one that only one use case's handler refused, after it had yielded."""
    world = World(kafka, cli)
    values = [1, 2, 13, 3, -4, 5]
    fill(kafka, world.topic, [("m", reading(second, value)) for second, value in enumerate(values)])

    strict, easy = world.train(world.strict), world.train(world.easy)
    assert (strict["events"], strict["learned"], strict["dead"]) == (4, 4, 2)
    assert (easy["events"], easy["learned"], easy["dead"]) == (5, 5, 1)
    before = [{"count": 1}, {"count": 2}, {"count": 3}, {"count": 4}]
    assert world.inputs(world.strict) == before, "the profile is as if thirteen had never been"

    _, lines, _ = call("deadletters", world.topic, "--json")
    listed = {letter["record"]["value"]: letter for letter in map(json.loads, lines.splitlines())}
    assert listed.keys() == {13, -4}
    assert listed[13]["reason"].startswith("ValueError: thirteen (meters.py:")
    assert listed[13]["key"].endswith(f"/{world.strict}")
    assert listed[-4]["reason"] == "value must be greater than or equal to 0, got -4"

    said = f"headrace: {listed[-4]['key']} was not sent back: value must be greater than or equal to 0, got -4\n"
    assert call("deadletters", world.topic, "replay", "--key", listed[-4]["key"])[::2] == (1, said)
    assert len(read_all(kafka, world.topic)) == len(values)

    mended = [letter | {"record": letter["record"] | {"value": 4}} for letter in listed.values()]
    (cli.folder / "mended.ndjson").write_text("".join(json.dumps(letter) + "\n" for letter in mended))
    sent = call("deadletters", world.topic, "replay", "--file", "mended.ndjson", "--json")
    assert json.loads(sent[1]) == {"sent": 2, "before": 0, "gone": 0, "refused": {}}
    origins = {origin_of(message) for message in read_all(kafka, world.topic)} - {None}
    assert origins == {letter["key"] for letter in mended}
    again = call("deadletters", world.topic, "replay", "--file", "mended.ndjson", "--json")
    assert json.loads(again[1]) == {"sent": 0, "before": 0, "gone": 2, "refused": {}}

    strict, easy = world.train(world.strict), world.train(world.easy)
    assert (strict["learned"], strict["late"], strict["dead"]) == (6, 2, 2)
    assert (easy["learned"], easy["late"], easy["dead"]) == (6, 1, 1), "what was for the other is passed over"
    assert world.inputs(world.strict) == [{"count": 5}, {"count": 6}]

    archived = json.loads(cli("archive", world.topic, "--until-end").stdout)["topics"][world.topic]
    assert (archived["rows"], archived["dead"]) == (6, 1), "the original of thirteen, but not its second copy"
    shown = call("deadletters", world.topic)[1].splitlines()
    assert shown[0].startswith(listed[-4]["key"]), "the archive came late, and wrote a letter that was closed already"
    assert shown[1:] == [f"  {listed[-4]['reason']}", '  {"meter": "m", "second": 4, "value": -4}', "1 dead letter"]
    closed = call("deadletters", world.topic, "replay", "--file", "mended.ndjson", "--json")
    assert json.loads(closed[1]) == {"sent": 0, "before": 1, "gone": 1, "refused": {}}
    assert len(read_all(kafka, world.topic)) == len(values) + 2


@pytest.fixture
def topic(kafka) -> Topic:
    """A topic of its own, with its dead letters' topic."""
    one = Topic(unique("readings"), Reading, key="meter", time="second")
    make_topic(kafka, one.name, partitions=2)
    ensure(Kafka(bootstrap_servers=kafka), [one])
    return one


def bury(bootstrap: str, topic: Topic, value: bytes | None, use_case: str | None = None) -> None:
    """Put a record on its topic and its letter beside it, as a reader does."""
    fill(bootstrap, topic.name, [("m", value)])
    last = read_all(bootstrap, topic.name)[-1]
    place = Place(topic.name, last.partition() or 0)
    out = producer(Kafka(bootstrap_servers=bootstrap))
    send(out, Dead(place, last.offset() or 0, b"m", value, "because", use_case), 1)
    assert out.flush(30) == 0


def letters(bootstrap: str, topic: Topic) -> list[Letter]:
    return read_letters(Kafka(bootstrap_servers=bootstrap), topic)


def back(bootstrap: str, topic: Topic) -> list[Message]:
    return [message for message in read_all(bootstrap, topic.name) if origin_of(message)]


def test_killed_between_the_record_and_the_tombstone_the_next_run_only_closes_the_letter(kafka, cli):
    world = World(kafka, cli)
    topic = Topic(world.topic, Reading, key="meter", time="second")
    settings = Kafka(bootstrap_servers=kafka)
    ensure(settings, [topic])
    bury(kafka, topic, reading(1, 2))
    bury(kafka, topic, reading(2, 2), world.strict)
    known = {letter.key for letter in letters(kafka, topic)}
    killed = cli("deadletters", world.topic, "replay", HEADRACE_FAILPOINT="send-letters-back:after")
    assert killed.returncode == -signal.SIGKILL
    assert {origin_of(message) for message in back(kafka, topic)} == known
    assert {letter.key for letter in letters(kafka, topic)} == known
    bury(kafka, topic, reading(3, 2))
    outcome = send_back(settings, topic, letters(kafka, topic), {})
    assert set(outcome.before) == known
    assert len(outcome.sent) == 1
    assert letters(kafka, topic) == []
    assert sorted(origin_of(message) or "" for message in back(kafka, topic)) == sorted([*known, *outcome.sent])


def test_asked_to_send_again_it_does(kafka, topic):
    settings = Kafka(bootstrap_servers=kafka)
    bury(kafka, topic, reading(1, 2), "plan")
    (letter,) = letters(kafka, topic)
    for _ in range(2):
        assert send_back(settings, topic, [letter], {}, again=True).sent == [letter.key]
    assert len(back(kafka, topic)) == 2


def test_what_cannot_be_sent_stays_and_does_not_hold_up_the_rest(kafka, topic):
    settings = Kafka(bootstrap_servers=kafka)
    for value in (b"{", reading(1, 2), None):
        bury(kafka, topic, value)
    outcome = send_back(settings, topic, letters(kafka, topic), {})
    assert len(outcome.sent) == 1
    assert sorted(reason[:12] for reason in outcome.refused.values()) == ["not JSON: EO", "the record h"]
    assert {letter.key for letter in letters(kafka, topic)} == set(outcome.refused)
    assert [message.value() for message in back(kafka, topic)] == [reading(1, 2)]


def test_the_topic_is_asked_from_the_oldest_original_on(kafka, topic):
    """A record that was sent back is found wherever its key took it, whichever partition the original was on."""
    settings = Kafka(bootstrap_servers=kafka)
    for second in range(3):
        bury(kafka, topic, reading(second, 1))
    known = letters(kafka, topic)
    records = {letter.key: {"meter": f"m{at}", "second": 1, "value": 1.0} for at, letter in enumerate(known)}
    assert len(send_back(settings, topic, known, records).sent) == 3
    assert sent_before(settings, topic, known) == {letter.key for letter in known}
    assert {message.key() for message in back(kafka, topic)} == {b"m0", b"m1", b"m2"}


def test_of_two_at_once_one_waits_and_then_gives_up(kafka, monkeypatch):
    monkeypatch.setattr(turns, "_WAIT_S", 2.0)
    settings, name = Kafka(bootstrap_servers=kafka), unique("turn")
    with turn(settings, name, "does it"):
        with pytest.raises(HeadraceError, match="another process does it"), turn(settings, name, "does it"):
            pass
        with turn(settings, unique("turn"), "does something else"):
            pass
    monkeypatch.setattr(turns, "_WAIT_S", 15.0)
    with turn(settings, name, "does it"):
        pass


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["nothing"], 2, "unknown topic 'nothing'; there are "),
        (["telecom.usage", "list", "--key", "x"], 2, "go with replay"),
        (["telecom.usage", "replay", "--key", "x", "--file", "f"], 2, "--key or --file, not both"),
        (["telecom.usage", "replay", "--file", "none"], 1, "none cannot be read: No such file"),
        (["telecom.usage", "replay", "--file", "text"], 1, "text:1: not JSON"),
        (["telecom.usage", "replay", "--file", "half"], 1, 'half:2 must be an object with "key" and "record"'),
        (["telecom.usage", "replay", "--file", "twice"], 1, "twice:2: a is there twice"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_before_kafka_is_asked(cli, call, options, code, said):
    for name, text in {
        "text": "hello",
        "half": '{"key": "a", "record": 1}\n{"key": "b"}',
        "twice": '{"key": "a", "record": 1}\n{"key": "a", "record": 2}',
    }.items():
        Path(cli.folder / name).write_text(text)
    cli.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
    left, _, sentence = call("deadletters", *options)
    assert left == code
    assert said in sentence
    assert len(sentence.splitlines()) == 1
