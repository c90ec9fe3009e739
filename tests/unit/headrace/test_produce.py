"""The command line of `headrace produce`."""

import json

import pytest
from typer.testing import CliRunner

from headrace.cli import app
from streaming.errors import WrongUsage


def produce(*arguments: str) -> str:
    """Run the command; what it raises is raised here."""
    result = CliRunner().invoke(app, ["produce", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "name a simulator"),
        ("--topic telecom.usage", "give both --topic and --file"),
        ("--file x.csv", "give both --topic and --file"),
        ("telecom --file x.csv", "--file goes without a simulator"),
        ("--topic telecom.usage --file x.csv --seed 1", "--seed goes with a simulator"),
        ("--topic telecom.usage --file x.csv --count 1", "--count goes with a simulator"),
        ("--topic telecom.usage --file x.csv --out here", "--out goes with a simulator"),
        ("--topic telecom.other --file x.csv", "unknown topic 'telecom.other'; there are "),
        ("telecom --poll x.toml", "name a simulator or --poll, not both: got telecom and x.toml"),
        ("--poll x.toml --file x.csv", "--file does not go with --poll"),
        ("--poll x.toml --rate 5", "--rate does not go with --poll"),
        ("--poll x.toml --seed 5", "--seed goes with a simulator"),
        ("nonsense", "unknown source 'nonsense'; there are telecom"),
        ("telecom --rate fast", "--rate must be a number of events a second above 0, or max, got 'fast'"),
        ("telecom --rate 0", "got '0'"),
        ("telecom --rate nan", "got 'nan'"),
        ("telecom --out here", "--out needs --count"),
        ("telecom --out here --count 1 --rate 1", "--rate does not go with --out"),
    ],
)
def test_wrong_usage(arguments, sentence, tmp_path, monkeypatch):
    """A combination that makes no sense is refused in one sentence, before anything is done."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUsage) as refused:
        produce(*arguments.split())
    assert sentence in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_files_of_every_topic(tmp_path):
    """`--out` writes the wanted number of events, a file for each topic, and tells the counts."""
    told = json.loads(produce("telecom", "--out", str(tmp_path / "a"), "--count", "30", "--json"))
    lines = {path.name: len(path.read_text().splitlines()) for path in (tmp_path / "a").iterdir()}
    assert lines == {f"{topic}.ndjson": number for topic, number in told["events"].items()}
    assert sum(lines.values()) == 30
    assert set(lines) == {"telecom.churn.ndjson", "telecom.usage.ndjson"}


def test_the_default_seed(tmp_path):
    """Without a seed it is 42."""
    for name, seed in (("a", ()), ("b", ("--seed", "42")), ("c", ("--seed", "43"))):
        produce("telecom", "--out", str(tmp_path / name), "--count", "100", *seed)
    a, b, c = ((tmp_path / name / "telecom.usage.ndjson").read_bytes() for name in "abc")
    assert a == b != c


def test_customers_and_drift(tmp_path):
    """`--customers` and `--drift-day` reach the simulator."""
    produce("telecom", "--out", str(tmp_path), "--count", "3", "--customers", "2", "--drift-day", "0")
    days = [json.loads(line)["date"] for line in (tmp_path / "telecom.usage.ndjson").read_text().splitlines()]
    assert days == ["2026-01-01", "2026-01-01", "2026-01-02"]
