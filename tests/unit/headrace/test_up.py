import json

import pytest

from headrace.board import Board
from headrace.commands.up import Known, _check_rate, _pick
from headrace.local.views import AsLines, ForPrograms
from headrace.status import Heard, Status
from streaming.errors import WrongUsage


@pytest.mark.parametrize("rate", ["0", "-1", "fast", ""])
def test_a_wrong_rate_is_wrong_usage(rate):
    with pytest.raises(WrongUsage, match="--rate must be a positive number or max"):
        _check_rate(rate)


@pytest.mark.parametrize("rate", ["1", "0.5", "max"])
def test_a_rate_is_a_number_or_max(rate):
    _check_rate(rate)


def test_use_cases_are_picked_once_each_with_what_feeds_them():
    plan, churn = _pick(["plan", "churn", "plan"])
    assert plan == Known("plan", ("telecom.usage",), "telecom")
    assert (churn.name, churn.simulator) == ("churn", "telecom")


def test_an_unknown_use_case_is_wrong_usage():
    with pytest.raises(WrongUsage, match="unknown use case 'plam'; there are churn, "):
        _pick(["plam"])


def test_a_mistake_in_a_use_case_ends_it_with_the_code_of_who_found_it(monkeypatch):
    monkeypatch.setenv("HEADRACE_USE_CASES", "nowhere.py")
    with pytest.raises(SystemExit, match="1"):
        _pick(["plan"])


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
