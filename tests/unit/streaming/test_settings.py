"""Settings: where they come from, and what is said of a wrong one."""

import os

import pytest

from streaming.errors import HeadraceError
from streaming.settings import load_settings, masked


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".headrace").mkdir()
    for name in list(os.environ):
        if name.startswith(("HEADRACE_", "AWS_")):
            monkeypatch.delenv(name)
    yield tmp_path
    os.environ.pop("AWS_ENDPOINT_URL", None)


def test_the_local_stack_is_found_and_the_environment_wins(folder, monkeypatch):
    (folder / ".headrace/local.env").write_text("HEADRACE_KAFKA__BOOTSTRAP_SERVERS=local:1\n")
    assert load_settings().kafka.bootstrap_servers == "local:1"
    (folder / ".env").write_text("HEADRACE_KAFKA__BOOTSTRAP_SERVERS=dotenv:1\n")
    assert load_settings().kafka.bootstrap_servers == "dotenv:1"
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "env:1")
    assert load_settings().kafka.bootstrap_servers == "env:1"


def test_the_keys_of_the_local_s3_server_reach_its_clients(folder):
    (folder / ".headrace/local.env").write_text("AWS_ENDPOINT_URL=http://127.0.0.1:8333\n")
    load_settings()
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:8333"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HEADRACE_FORECAST__LAGS", "1", "HEADRACE_FORECAST__LAGS: .*greater than or equal to 2, got '1'"),
        ("HEADRACE_MERGE_WAIT_S", "soon", "HEADRACE_MERGE_WAIT_S: .*got 'soon'"),
        ("HEADRACE_KAFKA__PARTITIONS", "0", "HEADRACE_KAFKA__PARTITIONS: .*got '0'"),
        ("HEADRACE_KAFKA__CONFIG", '{"sasl.password": "geheim"', "^HEADRACE_KAFKA__CONFIG: (?!.*geheim)"),
        ("HEADRACE_STORE", "foo", "^HEADRACE_STORE: must be file:///folder or s3://bucket/prefix, got 'foo'$"),
        ("HEADRACE_REDIS_URL", "nonsense", "^HEADRACE_REDIS_URL: must be redis://host.*got 'nonsense'$"),
        ("MLFLOW_TRACKING_URI", "nonsense", "^MLFLOW_TRACKING_URI: must be a server's address.*got 'nonsense'$"),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_its_name_and_value(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(HeadraceError, match=said):
        load_settings()


def test_a_name_that_is_no_setting_is_said(monkeypatch, capsys):
    monkeypatch.setenv("HEADRACE_STROE", "x")
    load_settings()
    assert "HEADRACE_STROE is not a setting" in capsys.readouterr().err


def test_settings_of_a_use_case_are_shown_by_their_own_names(monkeypatch):
    monkeypatch.setenv("HEADRACE_FORECAST__LAGS", "24")
    assert masked(load_settings())["HEADRACE_FORECAST__LAGS"] == 24


def test_secrets_are_masked(monkeypatch):
    monkeypatch.setenv("HEADRACE_SIGNING_KEY", "geheim")
    monkeypatch.setenv("HEADRACE_REDIS_URL", "redis://user:geheim@host/0")
    monkeypatch.setenv("HEADRACE_KAFKA__CONFIG", '{"sasl.password": "geheim", "sasl.username": "ann"}')
    shown = str(masked(load_settings()))
    assert "geheim" not in shown
    assert "ann" in shown
