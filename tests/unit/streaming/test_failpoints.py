"""Failpoints: declared once, each in one place of the code, nothing while none is armed."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import streaming
from streaming import failpoints
from streaming.errors import HeadraceError
from streaming.failpoints import STEPS, arm, each, failpoint

ROOT = Path(streaming.__file__).parents[1]
PACKAGES = "headrace", "producers", "trainer", "serving", "usecases", "streaming"


@pytest.fixture(autouse=True)
def _disarm():
    yield
    arm("")


def test_every_declared_step_has_one_place_in_the_code_and_every_place_is_declared():
    sources = [path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    code = "\n".join(source for source in sources if "STEPS = {" not in source)
    assert sorted(re.findall(r'\b(?:failpoint|each)\("([^"]+)"', code)) == sorted(STEPS)


def test_while_nothing_is_armed_a_function_is_given_back_as_it_is():
    assert each("learn", len) is len
    with failpoint("learn"):
        pass


@pytest.mark.parametrize(
    ("armed", "printed"),
    [("learn:before", []), ("learn:after", [0]), ("learn:before:3", [0, 1]), ("poll:before", [0, 1, 2, 3])],
)
def test_it_ends_the_process_at_its_place_and_count(armed, printed):
    code = "\n".join(
        [
            "from streaming.failpoints import arm, each",
            f"arm({armed!r})",
            "say = each('learn', lambda n: print(n, flush=True))",
            "[say(n) for n in range(4)]",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert [int(line) for line in done.stdout.split()] == printed
    assert done.returncode == (0 if armed.startswith("poll") else -signal.SIGKILL)
    assert f"HEADRACE_FAILPOINT is set, for a test: this process will kill itself at {armed}" in done.stderr


def test_an_error_inside_a_step_is_no_after(monkeypatch):
    arm("learn:after")
    with pytest.raises(ValueError, match="inside"), failpoint("learn"):
        raise ValueError("inside")


def test_a_child_that_was_forked_later_walks_past(monkeypatch):
    arm("learn:before")
    assert failpoints._trap is not None
    monkeypatch.setattr(failpoints._trap, "pid", 1)
    with failpoint("learn"):
        pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("lern:before", "there is no step 'lern'; there are put-claim, poll, "),
        ("learn:during", "there is no moment 'during'; there are before, after"),
        ("learn", "there is no moment ''"),
        ("learn:before:1:wait", "there is no action 'wait'; there are kill, stop"),
        ("learn:before:0", "a count of at least 1"),
        ("learn:before:x", "a count of at least 1"),
        ("learn:before:1:kill:again", "a count of at least 1"),
    ],
)
def test_a_mistake_is_one_sentence(wrong, said):
    with pytest.raises(HeadraceError, match="^HEADRACE_FAILPOINT") as error:
        arm(wrong)
    assert said in str(error.value)


def test_a_command_says_it_and_leaves_with_one(cli):
    done = cli("use-cases", HEADRACE_FAILPOINT="lern:before")
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: HEADRACE_FAILPOINT: there is no step 'lern'; ")
    assert len(done.stderr.splitlines()) == 1
