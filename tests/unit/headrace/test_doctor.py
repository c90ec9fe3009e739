import json
import shutil
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from headrace.commands import doctor
from headrace.local.ports import free_port
from streaming.settings import Settings
from tests.support import CommandLine


def test_a_machine_with_everything_gets_a_line_each_and_exit_code_zero(cli: CommandLine):
    told = cli("doctor")
    assert (told.returncode, told.stderr) == (0, "")
    assert {line.split()[0] for line in told.stdout.splitlines()} <= {"ok", "note"}
    for name in ("Python", "Java", "Kafka jars", "store", "signing key", "disk", "memory", "use cases"):
        assert name in told.stdout


def test_what_is_missing_is_named_with_what_to_do_about_it(cli: CommandLine):
    (cli.folder / "file").write_text("")
    told = cli(
        "doctor",
        "--json",
        HEADRACE_STORE=f"file://{cli.folder}/file/store",
        HEADRACE_KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        HEADRACE_USE_CASES="nowhere.py",
    )
    answer = json.loads(told.stdout)
    assert (told.returncode, answer["ok"]) == (1, False)
    missing = {finding["name"]: finding for finding in answer["findings"] if finding["state"] == "missing"}
    assert set(missing) == {"store", "Kafka", "use cases"}
    assert all(finding["remedy"] for finding in missing.values())


def test_a_setting_that_cannot_be_read_is_missing_too(cli: CommandLine):
    told = cli("doctor", HEADRACE_MERGE_WAIT_S="soon")
    assert told.returncode == 1
    assert "missing settings" in " ".join(told.stdout.split())
    assert "HEADRACE_MERGE_WAIT_S" in told.stdout


@pytest.mark.parametrize(("free", "state"), [(0, "missing"), (2_000_000_000, "note"), (90_000_000_000, "ok")])
def test_a_full_disk_is_told_before_it_hurts(monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert doctor._disk().state == state


def test_a_store_elsewhere_needs_a_key_that_is_set():
    assert doctor._signing_key(Settings(store="s3://bucket/prefix")).state == "missing"
    assert doctor._signing_key(Settings(store="s3://bucket/prefix", signing_key=SecretStr("secret"))).state == "ok"


def test_a_name_that_is_no_setting_is_a_note(monkeypatch):
    monkeypatch.setenv("HEADRACE_KAFKA_BOOTSTRAP", "x")
    finding = doctor._settings()
    assert finding.state == "note"
    assert "HEADRACE_KAFKA_BOOTSTRAP" in finding.told


def test_a_package_that_cannot_be_imported_is_named():
    finding = doctor._packages("packages", ("json", "no_such_module"), "missing", "install it")
    assert finding.state == "missing"
    assert "no_such_module" in finding.told
