"""The data sets of `make bench-real`."""

import pytest

from benchmarks.real_data import series
from benchmarks.real_data.evaluation import Result, evaluated
from benchmarks.real_data.table import ALL, HEAD, PAGE, kept, rows
from streaming.codec import Codec
from usecases.declaration import check, check_stored
from usecases.registry import modules_of


@pytest.mark.parametrize("data", ALL, ids=lambda data: data.name)
def test_its_events_fit_their_schema_and_its_use_case_has_no_mistake(data):
    kind = type(data.use_case)
    check(kind)
    check_stored(kind, modules_of(data.use_case))
    codecs = {topic.name: Codec(topic) for topic in kind.topics}
    for topic, event in list(data.events())[:100]:  # to the end: River closes its file there
        codec = codecs[topic.name]
        assert codec.key(codec.decode(codec.encode(event))) == codec.key(event)


def test_headrace_and_river_get_the_same_to_the_last_digit(tmp_path):
    result = evaluated(series.ALL[0], tmp_path)
    assert result.rows == 144
    assert result.ours == result.rivers
    assert result.naive == result.ours["persistence"]


def test_the_page_tells_of_every_data_set_and_candidate():
    page = PAGE.read_text()
    lines = [line.replace("*", "") for line in page.splitlines()]
    for data in ALL:
        for candidate in data.use_case.candidates:
            assert any(line.startswith(f"| {data.name} |") and f"| {candidate} " in line for line in lines)


def test_a_candidate_that_loses_to_the_baseline_is_named():
    numbers = {"linear": 20.0, "knn": 30.0, "persistence": 25.0}
    best, worse, same = rows(series.ALL[0], Result(144, "MAE", numbers, numbers, naive=25.0))
    assert best == "| airline | forecast | 144 | MAE | **linear** | 20 | 20 | 25 |  |"
    assert "| knn (worse than the baseline) |" in worse
    assert "| persistence (the baseline itself) |" in same


def test_only_the_lines_of_the_data_sets_that_were_asked_are_replaced():
    page = f"a\n<!-- table -->\n{HEAD}| airline | old |\n| water | old |\n<!-- /table -->\nb\n"
    assert kept(page, {"airline": ["| airline | new |"]}) == page.replace("airline | old", "airline | new")
