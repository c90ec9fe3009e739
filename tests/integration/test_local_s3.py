"""The local S3 server: what it holds outlives it."""

import pytest

from headrace.local.s3 import LocalS3
from streaming.store import Store


def test_objects_outlive_a_restart_and_a_kill(tmp_path, monkeypatch: pytest.MonkeyPatch):
    for turn in range(3):
        server = LocalS3(tmp_path)
        with server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            store = Store(server.url("store"))
            assert store.put_new(f"a/{turn}", b"x" * turn)
            assert store.names("a") == [str(before) for before in range(turn + 1)]
            assert store.get("a/0") == b""
            if turn == 1:
                server.kill()
