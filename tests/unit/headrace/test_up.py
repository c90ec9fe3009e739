import json

import pytest

from headrace.board import Board
from headrace.commands.up import _check_rate, _simulators
from headrace.local.views import AsLines, ForPrograms
from headrace.status import Heard, Status
from streaming.errors import WrongUsage
from streaming.settings import Settings
from usecases.registry import load_use_cases


@pytest.mark.parametrize("rate", ["0", "-1", "fast", ""])
def test_a_wrong_rate_is_wrong_usage(rate):
    with pytest.raises(WrongUsage, match="--rate must be a positive number or max"):
        _check_rate(rate)


@pytest.mark.parametrize("rate", ["1", "0.5", "max"])
def test_a_rate_is_a_number_or_max(rate):
    _check_rate(rate)


def test_use_cases_of_one_world_share_its_simulator():
    known = load_use_cases(Settings())
    assert _simulators([known["plan"], known["churn"]]) == ["telecom"]


def test_for_programs_stdout_is_one_json_line(capsys):
    view = ForPrograms()
    view.say("Starting kafka")
    view.answered({"kafka": "127.0.0.1:9092"})
    view.show(Board(now=0.0, heard=[Heard(Status(use_case="churn"), 0.0)]))
    out, err = capsys.readouterr()
    assert json.loads(out) == {"kafka": "127.0.0.1:9092"}
    assert out.count("\n") == 1
    assert err == "Starting kafka\n"


def test_lines_come_now_and_then_not_each_second(capsys):
    view = AsLines()
    for _ in range(3):
        view.show(Board(now=0.0, expected=["churn"]))
    assert capsys.readouterr().out == "churn: nothing heard yet\n"
