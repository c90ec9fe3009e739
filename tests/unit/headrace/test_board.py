from datetime import UTC, datetime

import pytest
from rich.console import Console

from headrace.board import Board, lines, render
from headrace.status import Archived, Heard, HeardArchive, Status, Training

CHURN = Status(
    use_case="churn",
    state="learning",
    events=12_345,
    learned=678,
    pending=9,
    champion="logistic",
    metric="ROCAUC",
    candidates={
        "logistic": {"ROCAUC": 0.71249, "rolling_ROCAUC": 0.75, "F1": 0.2, "rolling_F1": 0.3},
        "hoeffding": {"ROCAUC": None, "rolling_ROCAUC": None, "F1": -0.0},
    },
    lag=12,
    checkpoint_age_s=3.2,
    snapshot="7-41",
    snapshot_time=datetime.fromtimestamp(998.0, UTC),
)
BOARD = Board(
    now=1_000.0,
    heard=[Heard(CHURN, written=999.0, events_per_s=201.4)],
    expected=["churn"],
    addresses={"kafka": "127.0.0.1:9092"},
    processes={"kafka": "pid 1", "train churn": "pid 2, restarted 1 time"},
)


def drawn(board, width=200):
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(render(board, width))
    return captured.get()


def rows(board):
    """The lines of the table with single spaces."""
    return [" ".join(line.split()) for line in drawn(board).splitlines()]


def changed(**fields):
    return Board(now=1_000.0, heard=[Heard(CHURN.model_copy(update=fields), written=1_000.0)])


def test_the_table_shows_counts_metrics_and_the_champion():
    row = "churn learning 12,345 201 678 9 12 4 s ago 7-41, 2 s ago ★ logistic ROCAUC 0.7125 0.7500 F1 0.2000"
    assert row in rows(BOARD)


def test_a_candidate_without_numbers_yet_has_dashes_and_no_star():
    assert "hoeffding ROCAUC - - F1 0.0000" in rows(BOARD)


def test_addresses_and_processes_are_below():
    text = drawn(BOARD)
    assert "127.0.0.1:9092  pid 1" in text
    assert "pid 2, restarted 1 time" in text


@pytest.mark.parametrize("width", [80, 100, 120, 140, 200])
def test_the_table_fits_the_terminal_and_keeps_what_matters(width):
    text = drawn(BOARD, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for wanted in ("12,345", "678", "12", "4 s ago", "★ logistic", "0.7125", "0.7500"):
        assert wanted in text


def test_a_trainer_that_says_nothing_is_shown_as_silent():
    assert "silent 61 s" in drawn(Board(now=1_060.0, heard=[Heard(CHURN, written=999.0)]))


def test_what_an_earlier_run_said_is_no_state_of_this_one():
    assert "starting" in drawn(Board(now=1_000.0, since=999.5, heard=[Heard(CHURN, written=999.0)]))


@pytest.mark.parametrize(
    ("wanted", "applied", "state"), [(False, False, "off"), (False, True, "pausing"), (True, False, "resuming")]
)
def test_the_training_switch_shows(wanted, applied, state):
    assert state in drawn(changed(training=Training(wanted=wanted, applied=applied)))


def test_a_use_case_nobody_has_heard_of_is_starting():
    assert "plan starting" in rows(Board(now=0.0, expected=["plan"]))


def test_a_trainer_without_candidates_or_lag_still_has_its_row():
    text = drawn(changed(candidates={}, champion=None, metric=None, lag=None, checkpoint_age_s=None))
    assert "12,345" in text


def test_markup_in_names_is_shown_as_it_is():
    assert "[red]x[/red]" in drawn(changed(candidates={"[red]x[/red]": {}}))


def test_a_line_says_the_same_in_one_sentence():
    (line,) = lines(BOARD)
    assert line == (
        "churn: learning, 12,345 events, 678 learned, lag 12, saved 4 s ago, model 7-41, 2 s ago;"
        " ROCAUC: ★logistic 0.7125 (rolling 0.7500), hoeffding - (rolling -)"
    )


def test_a_shard_is_named_beside_its_use_case():
    assert lines(changed(shard="3"))[0].startswith("churn/3: ")


def test_a_board_without_trainers_has_no_table_of_them():
    assert "candidate" not in drawn(Board(now=0.0, addresses={"kafka": "127.0.0.1:9092"}))


def test_a_learner_without_a_model_yet_has_a_dash():
    assert "model -" in lines(changed(snapshot=None, snapshot_time=None))[0]


def archived(**fields):
    told = Archived(topic="telecom.usage", rows=1_234, lag=5, state="archiving")
    return Board(**{"now": 1_000.0, "archived": [HeardArchive(told, written=999.0)], **fields})


def test_an_archived_topic_has_its_rows_and_its_lag():
    assert "telecom.usage archiving 1,234 5" in rows(archived())
    assert lines(archived()) == ["archive of telecom.usage: archiving, 1,234 rows, lag 5"]


def test_an_archive_that_stopped_talking_is_silent():
    assert "telecom.usage silent 61 s 1,234 5" in rows(archived(now=1_060.0))


def test_an_archive_that_says_nothing_in_this_run_is_not_shown():
    assert "archive" not in drawn(archived(since=999.5))
    assert lines(archived(since=999.5)) == []
