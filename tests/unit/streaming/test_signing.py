"""The signing key: made once, its owner's alone, never made where others have to know it."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from streaming.errors import HeadraceError
from streaming.settings import SIGNING_KEY_FILE, Settings
from streaming.signing import signing_key, verifying_key

LOCAL = Settings(store="file:///nowhere")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_made_once_and_only_its_owner_may_read_it():
    before = os.umask(0)
    try:
        key = signing_key(LOCAL)
    finally:
        os.umask(before)
    assert len(key) == 64
    assert SIGNING_KEY_FILE.stat().st_mode & 0o777 == 0o600
    assert signing_key(LOCAL) == verifying_key(LOCAL) == key
    assert [file.name for file in SIGNING_KEY_FILE.parent.iterdir()] == [SIGNING_KEY_FILE.name]


def test_prometheus_is_told_when_it_was_made():
    signing_key(LOCAL)
    os.utime(SIGNING_KEY_FILE, (1_700_000_000, 1_700_000_000))
    signing_key(LOCAL)
    assert REGISTRY.get_sample_value("headrace_signing_key_time_seconds") == 1_700_000_000


def test_of_many_that_make_it_at_once_all_get_the_same():
    for _ in range(20):
        barrier = threading.Barrier(8)

        def make(barrier: threading.Barrier = barrier) -> bytes:
            barrier.wait()
            return signing_key(LOCAL)

        with ThreadPoolExecutor(8) as makers:
            keys = {maker.result() for maker in [makers.submit(make) for _ in range(8)]}
        assert keys == {verifying_key(LOCAL)}
        assert [file.name for file in SIGNING_KEY_FILE.parent.iterdir()] == [SIGNING_KEY_FILE.name]
        SIGNING_KEY_FILE.unlink()


def test_two_processes_of_the_same_number_make_two_files_of_which_one_wins(monkeypatch):
    """While one writes its key, another one makes the file: the first takes that, and neither changes it."""
    link = os.link

    def slow(fresh, place):
        monkeypatch.setattr(os, "link", link)
        other.append(signing_key(LOCAL))
        link(fresh, place)

    other: list[bytes] = []
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(os, "link", slow)
    assert signing_key(LOCAL) == other[0] == verifying_key(LOCAL)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
@pytest.mark.parametrize("read", [signing_key, verifying_key])
def test_one_that_others_may_read_is_refused_with_the_ways_out(mode, read):
    signing_key(LOCAL)
    SIGNING_KEY_FILE.chmod(mode)
    with pytest.raises(HeadraceError, match=rf"\(mode 600\), got {mode:o}: `chmod 600 .*HEADRACE_SIGNING_KEY"):
        read(LOCAL)


def test_an_empty_file_is_no_key():
    signing_key(LOCAL)
    SIGNING_KEY_FILE.write_text("\n")
    with pytest.raises(HeadraceError, match="is empty: delete the file"):
        signing_key(LOCAL)


def test_outside_the_local_stack_it_must_be_set_and_none_is_made(folder):
    away = Settings(store="s3://bucket/prefix")
    with pytest.raises(HeadraceError, match="HEADRACE_SIGNING_KEY is not set, and s3://bucket/prefix is not a local"):
        signing_key(away)
    with pytest.raises(HeadraceError, match=r"HEADRACE_SIGNING_KEY is not set, and there is no .*signing\.key"):
        verifying_key(away)
    assert list(folder.iterdir()) == []
    assert signing_key(Settings(store="s3://bucket/prefix", signing_key=SecretStr("ours"))) == b"ours"


def test_a_trainer_says_so_in_one_sentence_and_exits_with_one(cli):
    run = cli("train", "plan", HEADRACE_STORE="s3://bucket/prefix", HEADRACE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert run.returncode == 1
    assert run.stderr == (
        "headrace: HEADRACE_SIGNING_KEY is not set, and s3://bucket/prefix is not a local folder: set the key\n"
    )
