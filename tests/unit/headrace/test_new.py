"""`headrace new`: a use case in one file that runs as it is."""

import json
import statistics
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.cli import app
from headrace.starter import sample
from headrace.starter.starter import EVENTS
from streaming.codec import Codec
from streaming.errors import HeadraceError, WrongUsage
from streaming.settings import Settings
from usecases.registry import load_use_cases


@pytest.fixture
def new(tmp_path, monkeypatch):
    """Run the command in a folder of its own; what it raises is raised here."""
    monkeypatch.chdir(tmp_path)

    def run(name: str) -> str:
        result = CliRunner().invoke(app, ["new", name])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return run


def test_it_runs_as_it_is(new, cli):
    """The file is loaded, learns from the events beside it without a dead letter, and its best model beats the mean."""
    new("late-parcel")
    done = cli("evaluate", "late-parcel", "--file", "late_parcel.csv", HEADRACE_USE_CASES="late_parcel.py")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["use_case"], said["learned"], said["dead"]) == ("late-parcel", 600, 0)
    assert len(said["candidates"]) == 3
    minutes = [float(line.rpartition(",")[2]) for line in list(sample.lines())[1:]]
    by_the_mean = statistics.mean(abs(one - statistics.mean(minutes)) for one in minutes)
    assert said["candidates"][said["champion"]]["MAE"] < 0.5 * by_the_mean


@pytest.mark.parametrize("name", ["parcels", "night-bus", "day_bus", "x2-y", "delivery", "use-case", "none", "topic"])
def test_the_use_case_has_the_name_that_was_asked_for(new, name):
    """Whatever the name: one that the file's own classes have, a word of Python, a digit."""
    new(name)
    wanted = name.replace("_", "-")
    found = load_use_cases(Settings(use_cases=f"{name.replace('-', '_')}.py"))
    assert [topic.name for topic in found[wanted].topics] == [f"{wanted}.events"]


def test_the_next_commands_are_said(new):
    said = new("late-parcel")
    assert "export HEADRACE_USE_CASES=late_parcel.py\n" in said
    assert "headrace produce --topic late-parcel.events --file late_parcel.csv" in said


@pytest.mark.parametrize("there", ["mine.py", "mine.csv"])
def test_nothing_is_overwritten(new, there):
    Path(there).write_text("precious")
    with pytest.raises(HeadraceError, match=f"{there} is there already: nothing was written"):
        new("mine")
    assert [(path.name, path.read_text()) for path in Path().iterdir()] == [(there, "precious")]


@pytest.mark.parametrize("name", ["Parcel", "2fast", "a b", "a/b", "", "-", "a--b", "ä", "a.py", "a" * 65])
def test_a_bad_name_is_refused(new, name):
    with pytest.raises(
        WrongUsage, match="a use case is named by at most 64 lower-case letters, digits and hyphens, got"
    ):
        new(name)
    assert not list(Path().iterdir())


def test_the_projects_own_names_are_taken(new):
    with pytest.raises(WrongUsage, match="the name 'churn' is taken by a use case of the project"):
        new("churn")


@pytest.mark.parametrize("name", ["use-cases", "use_cases"])
def test_an_address_of_the_api_is_no_name(new, name):
    with pytest.raises(WrongUsage, match="the name 'use-cases' is taken by an address of the API, /v1/use-cases"):
        new(name)
    assert not list(Path().iterdir())


def test_the_made_up_events_fit_and_stay_the_same():
    header, *rows = sample.lines()
    assert rows == list(sample.lines())[1:]
    codec = Codec(EVENTS)
    times = [codec.check(dict(zip(header.split(","), row.split(","), strict=True)))["time"] for row in rows]
    assert times == sorted(times)
