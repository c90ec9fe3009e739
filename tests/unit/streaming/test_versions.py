"""What is told of MLflow when it does not answer."""

import pytest
from mlflow.exceptions import MlflowException

from streaming.tracking import connect
from streaming.versions import in_short


def test_of_a_refused_connection_the_reason_is_told_and_not_the_story(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException) as told:
        connect("http://127.0.0.1:9").search_experiments()
    assert in_short(told.value) == "Connection refused"


def test_another_error_is_told_in_one_line_of_two_hundred_characters():
    assert in_short(ValueError("one\n  two")) == "one two"
    assert len(in_short(ValueError("x" * 999))) == 200
