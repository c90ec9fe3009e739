"""What is changed is told on `headrace.audit`, on a real broker."""

import random
from datetime import UTC, datetime

import orjson
import pytest

from streaming.control import read_latest
from streaming.settings import Kafka
from streaming.topics import AUDIT
from tests.support import CommandLine, unique

GUESS = '''
"""Two candidates that are right as often as their feature is."""

from river import base, metrics
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Tossed(TypedDict):
    """What is right, and what each candidate will say."""

    id: str
    time: float
    y: bool
    one: bool
    two: bool


class Says(base.Classifier):
    """Repeats one feature."""

    def __init__(self, name):
        self.name = name

    def learn_one(self, x, y):
        """Nothing to learn."""

    def predict_one(self, x):
        return x[self.name]


class One(Says):
    """The first."""

    def __init__(self):
        super().__init__("one")


class Two(Says):
    """The second."""

    def __init__(self):
        super().__init__("two")


TOSSED = Topic("NAME.tosses", Tossed, key="id", time="time")


class Guess(UseCase):
    """Which of the two is right?"""

    name = "NAME"
    topics = (TOSSED,)
    metric = metrics.Accuracy
    candidates = {"one": One, "two": Two}

    @on(TOSSED)
    def toss(self, event, profile):
        yield Example(event["id"], {"one": event["one"], "two": event["two"]}, event["y"], event["id"])
'''


@pytest.fixture
def guess(kafka, cli: CommandLine) -> str:
    """Its name; 1,500 events wait in Kafka, of which the second candidate knows nearly all."""
    name, dice = unique("guess").replace(".", "-"), random.Random(1)
    (cli.folder / "guess.py").write_text(GUESS.replace("NAME", name))
    began = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    rows = []
    for n in range(1_500):
        y = dice.random() < 0.5
        rows.append({"id": f"{n:04}", "time": began + n, "y": y, "one": y == (dice.random() < 0.6), "two": y})
    (cli.folder / "tosses.ndjson").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    cli.environment |= {"HEADRACE_USE_CASES": "guess.py", "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka}
    produced = cli("produce", "--topic", f"{name}.tosses", "--file", "tosses.ndjson")
    assert produced.returncode == 0, produced.stderr
    return name


def on_record(kafka: str, name: str) -> list[dict[str, object]]:
    found = read_latest(Kafka(bootstrap_servers=kafka), AUDIT).values()
    return [record for record in found if record["use_case"] == name]


def test_a_change_of_the_champion_is_told_once_with_its_figures_also_after_a_restart(guess, kafka, cli):
    for _ in range(2):
        trained = cli("train", guess, "--until-end")
        assert trained.returncode == 0, trained.stderr
        assert orjson.loads(trained.stdout.splitlines()[-1])["champion"] == "two"
    (record,) = on_record(kafka, guess)
    assert (record["what"], record["from"], record["to"], record["why"]) == ("champion", "one", "two", "better")
    assert (record["learned"], record["blocks"], record["number"]) == (1_000, 10, 1)
    assert record["by"] == "trainer"
    assert record["rolling"] == {"one": pytest.approx(0.6, abs=0.05), "two": 1.0}


def test_a_switch_by_command_is_told_with_who_has_turned_it(guess, kafka, cli):
    assert cli("training", guess, "off").returncode == 0
    assert cli("training", guess, "on").returncode == 0
    records = sorted(on_record(kafka, guess), key=lambda record: str(record["time"]))
    assert [record["what"] for record in records] == ["training off", "training on"]
    assert all(str(record["by"]).endswith("by headrace") for record in records)
