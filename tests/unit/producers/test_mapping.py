"""How an API's answers become events."""

import re
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

import producers
from producers.mapping import Poll, load
from streaming.errors import BadRecord, HeadraceError, WrongUsage
from streaming.settings import Settings
from usecases.market.events import PRICES
from usecases.registry import load_use_cases, topics_of

CANDLES = """
topic = "market.prices"
url = "https://exchange.example/candles?symbol={symbol}&from={after_ms}&key=${TEST_KEY}"
rows = "data.candles"
start = 2026-01-01T00:00:00Z
each = { symbol = ["BTC/USD", "ETH"] }
headers = { X-Key = "${TEST_KEY}" }
fields = { symbol = "{symbol}", time = 0, value = "ohlc.close" }
"""


def written(folder: Path, text: str) -> Path:
    """The mapping as a file."""
    file = folder / "candles.toml"
    file.write_text(text)
    return file


@pytest.fixture
def poll(tmp_path, monkeypatch) -> Poll:
    """The candles of an exchange."""
    monkeypatch.setenv("TEST_KEY", "s3cret")
    return load(written(tmp_path, CANDLES), {PRICES.name: PRICES})


def test_each_value_is_asked_for_on_its_own(poll):
    """Under a name of its own."""
    assert [one.name for one in poll.endpoints()] == ["candles/BTC/USD", "candles/ETH"]


def test_an_address_says_where_to_go_on_and_quotes_what_it_is_given(poll):
    """Keys come from the environment."""
    found = poll.address(poll.endpoints()[0], datetime(2026, 1, 2, tzinfo=UTC))
    assert found == "https://exchange.example/candles?symbol=BTC%2FUSD&from=1767312000000&key=s3cret"
    assert poll.headers == {"X-Key": "s3cret"}


def test_a_row_of_a_list_becomes_an_event(poll):
    """Times may be milliseconds or text, numbers may be text."""
    answer = {"data": {"candles": [[1767312000000, 1], ["2026-01-02T01:00:00Z", 2]]}}
    poll.sheet.fields["value"] = 1
    rows = [poll.row(row, poll.endpoints()[1]) for row in poll.rows(answer)]
    assert [orjson.loads(row.value) for row in rows] == [
        {"symbol": "ETH", "time": "2026-01-02T00:00:00Z", "value": 1.0},
        {"symbol": "ETH", "time": "2026-01-02T01:00:00Z", "value": 2.0},
    ]
    assert [(row.key, row.time_us) for row in rows] == [("ETH", 1767312000000000), ("ETH", 1767315600000000)]


def test_an_object_is_a_list_of_keys_and_values(poll):
    """As of APIs that key their rows by day; texts are put together, constants stay."""
    poll.sheet.rows = ""
    poll.sheet.fields |= {"symbol": "{symbol}-{1.set}", "time": 0, "value": "1.price"}
    (row,) = poll.rows({"2026-01-02": {"set": "base", "price": "3.5"}})
    assert orjson.loads(poll.row(row, poll.endpoints()[1]).value) == {
        "symbol": "ETH-base",
        "time": "2026-01-02T00:00:00Z",
        "value": 3.5,
    }


def test_one_answer_feeds_two_topics(tmp_path, monkeypatch):
    """The mappings of card prices of the page: listing and sale of one row meet by their id."""
    monkeypatch.setenv("CARDS_KEY", "s3cret")
    page = (Path(producers.__file__).parents[1] / "docs" / "forecast.md").read_text()
    card = {"id": "E-7", "set": "ember", "rarity": "rare"}
    prices = {"asked": 12.5, "paid": "11.75"}
    row = {"card": card, "date": "2026-03-01", "condition": "good", "shop": {"rating": 4.5}, "prices": prices}
    ids = []
    for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[1:]:
        poll = load(written(tmp_path, text), topics_of(load_use_cases(Settings())))
        (only,) = poll.rows({"data": {"cards": [row]}})
        ids.append(poll.row(only, poll.endpoints()[0]).key)
    assert ids == ["E-7/2026-03-01"] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "there is no data.candles in []"),
        ({"data": {}}, "there is no data.candles in "),
        ({"data": {"candles": 3}}, "wanted a list of rows at data.candles, got '3'"),
    ],
)
def test_an_answer_of_another_form_is_named(poll, answer, said):
    """With what was wanted where."""
    with pytest.raises(BadRecord) as refused:
        poll.rows(answer)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([1767312000000], "there is no ohlc.close in [1767312000000]"),
        ({"0": 1767312000000, "ohlc": {"close": "x"}}, "value must be a valid number"),
        ({"0": "yesterday", "ohlc": {"close": 1}}, "time must be a valid datetime"),
        ({"0": 1767312000000, "ohlc": {"close": "nan"}}, "value must be a finite number"),
    ],
)
def test_a_row_that_does_not_fit_is_named(poll, row, said):
    """With its field."""
    with pytest.raises(BadRecord) as refused:
        poll.row(row, poll.endpoints()[0])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("market.prices", "market.price", "unknown topic 'market.price'; there are market.prices"),
        ("https://", "ftp://", "url must match pattern"),
        ("{after_ms}", "{since}", "url: {since} is not known; there are after, after_date, after_ms, after_s, symbol"),
        ("time = 0,", "", "fields.time is missing: market.prices wants it"),
        ("time = 0", "day = 1, time = 0", "fields.day is not a field of market.prices"),
        ("rows =", "row =", "row is no part of a poll; there are name, topic, url, each"),
        ('["BTC/USD", "ETH"]', "[]", "each.symbol is empty: wanted at least one value"),
        ("TEST_KEY", "TEST_NO_KEY", "${TEST_NO_KEY} is not set in the environment"),
        ("[", "", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, monkeypatch, old, new, said):
    """With the file, and what was wanted."""
    monkeypatch.setenv("TEST_KEY", "s3cret")
    file = written(tmp_path, CANDLES.replace(old, new))
    with pytest.raises((HeadraceError, WrongUsage)) as refused:
        load(file, {PRICES.name: PRICES})
    assert str(refused.value).startswith(str(file))
    assert said in str(refused.value)


def test_the_mappings_of_the_page_can_be_read(tmp_path, monkeypatch):
    """Every one in docs/forecast.md."""
    monkeypatch.setenv("CARDS_KEY", "s3cret")
    page = Path(producers.__file__).parents[1] / "docs" / "forecast.md"
    found = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(found) == 3
    topics = topics_of(load_use_cases(Settings()))
    for text in found:
        assert load(written(tmp_path, text), topics).endpoints()


def test_a_file_that_is_not_there_is_said(tmp_path):
    """One sentence."""
    with pytest.raises(HeadraceError, match="there is no file"):
        load(tmp_path / "none.toml", {PRICES.name: PRICES})
