import os
import stat

import pytest

from headrace.local.home import claimed, publish, retract
from streaming.errors import HeadraceError
from streaming.settings import LOCAL_ENV, load_settings


def test_only_one_holds_the_folder(tmp_path):
    with (
        claimed(tmp_path / ".headrace"),
        pytest.raises(HeadraceError, match=f"runs in {tmp_path} already .process {os.getpid()}"),
    ):
        claimed(tmp_path / ".headrace").__enter__()


def test_the_folder_is_free_again_afterwards(tmp_path):
    for _ in range(2):
        with claimed(tmp_path) as folder:
            assert folder == tmp_path.absolute()


def test_addresses_that_a_killed_stack_left_behind_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LOCAL_ENV.parent.mkdir()
    LOCAL_ENV.write_text("HEADRACE_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:1\n")
    with claimed():
        assert "bootstrap_servers" not in load_settings().kafka.model_fields_set


def test_published_settings_are_read_by_commands_and_by_their_owner_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with claimed():
        publish({"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:19092"})
        assert load_settings().kafka.bootstrap_servers == "127.0.0.1:19092"
        assert stat.S_IMODE(LOCAL_ENV.stat().st_mode) == 0o600
    assert not LOCAL_ENV.exists()


def test_the_environment_wins_over_published_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    with claimed():
        publish({"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:19092"})
        assert load_settings().kafka.bootstrap_servers == "elsewhere:9092"


def test_retracting_twice_does_no_harm(tmp_path):
    for _ in range(2):
        retract(tmp_path)
        assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadraceError, match="cannot be used: Not a directory"):
        claimed(tmp_path / "file" / ".headrace").__enter__()
