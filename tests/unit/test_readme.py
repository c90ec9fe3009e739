"""What the README shows works as it stands there."""

import json
import re
from pathlib import Path

import streaming
from headrace.cli import COMMANDS
from headrace.local.parts import PARTS
from streaming.settings import Settings

README = (Path(streaming.__file__).parents[1] / "README.md").read_text()


def test_the_example_use_case_learns_from_a_file(cli):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (cli.folder / "parcels.py").write_text(code)
    lines = [_parcel(number, km=number * 7 % 900) for number in range(600)]
    (cli.folder / "parcels.ndjson").write_text("".join(lines))
    done = cli("evaluate", "late-parcel", "--file", "parcels.ndjson", HEADRACE_USE_CASES="parcels.py")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["learned"] == 600
    assert summary["candidates"]["logistic"]["Accuracy"] > 0.9


def _parcel(number: int, km: int) -> str:
    sent_at = f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"
    fields = {"parcel_id": str(number), "sent_at": sent_at, "km": km, "kg": 1 + number % 5, "late": km > 450}
    return json.dumps(fields) + "\n"


def test_every_command_is_named():
    assert [name for name in COMMANDS if f"headrace {name}" not in README] == []


def test_every_named_setting_exists():
    named = set(re.findall(r"`HEADRACE_(\w+)`", README))
    known = {name.upper() for name in Settings.model_fields}
    assert {name.split("__")[0] for name in named} <= known


def test_the_parts_of_up_are_those_of_its_help(cli):
    told = " ".join(cli("up", "--help").stdout.split())
    assert ", ".join(PARTS) in told
