import functools
import os
import sys

import psutil
import pytest

from headrace.local.processes import Child, Restarts, Supervisor, meaningful, stop
from streaming.errors import HeadraceError
from tests.support import all_gone, wait_for

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


def _is_ready(child):
    return child.log.read_text() == "ready\n"


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def child(tmp_path):
    made = []

    def make(command, name="child", **options):
        made.append(Child(name, command, log=tmp_path / "logs" / f"{name}.log", **options))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_a_child_writes_its_log_and_tells_how_it_ended(child):
    one = child([sys.executable, "-S", "-c", "print('hello'); raise SystemExit(3)"])
    one.start()
    assert one.wait(30)
    assert one.how_it_ended() == "exit code 3"
    assert one.last_words() == f"hello (more in {os.path.relpath(one.log)})"


def test_a_child_sees_our_environment_and_what_is_added(child, monkeypatch):
    monkeypatch.setenv("OURS", "1")
    one = child(["/bin/sh", "-c", "echo $OURS $THEIRS"], environment={"THEIRS": "2"})
    one.start()
    assert one.wait(30)
    assert one.log.read_text() == "1 2\n"


def test_a_program_that_does_not_exist_is_told_in_the_log(child):
    one = child(["/no/such/program"])
    one.start()
    assert one.wait(30)
    assert "/no/such/program: No such file or directory" in one.last_words()


def test_last_words_are_those_since_the_last_start(child):
    one = child([sys.executable, "-S", "-c", "import sys; sys.exit(0)"])
    one.log.parent.mkdir()
    one.log.write_text("ERROR of an earlier life\n")
    one.start()
    assert one.wait(30)
    assert "its log is empty" in one.last_words()


def test_a_long_log_is_set_aside_at_a_start(child, monkeypatch):
    monkeypatch.setattr("headrace.local.processes._LOG_LIMIT", 10)
    one = child(["/bin/echo", "new"])
    one.log.parent.mkdir()
    one.log.write_text("a line of an earlier life\n")
    one.start()
    assert one.wait(30)
    assert one.log.read_text() == "new\n"
    assert one.log.with_name("child.log.old").exists()


def test_a_child_is_in_a_session_of_its_own(child):
    one = child(SLEEP)
    one.start()
    assert os.getsid(one.pid) == one.pid


def test_stop_asks_first_and_kills_what_does_not_listen(child):
    polite, deaf = child(SLEEP, "polite"), child(STUBBORN, "deaf")
    polite.start()
    deaf.start()
    wait_for(lambda: deaf.log.read_text() == "deaf\n")
    stop([polite, deaf], limit_s=0.3)
    assert (polite.how_it_ended(), deaf.how_it_ended()) == ("SIGTERM", "SIGKILL")


def test_a_child_dies_with_a_parent_that_is_killed(child, tmp_path):
    program = f"""
import pathlib, time
from headrace.local.processes import Child
child = Child("inner", {SLEEP!r}, log=pathlib.Path({str(tmp_path / "inner.log")!r}))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
    parent = child([sys.executable, "-c", program])
    parent.start()
    inner = psutil.Process(int(wait_for(lambda: parent.log.read_text().strip(), what="the inner child")))
    wait_for(lambda: inner.cmdline() == SLEEP, what="the program behind the tether")
    parent.kill()
    assert wait_for(lambda: all_gone([inner]), what="the end of the inner child")


def test_the_last_error_is_the_reason_not_the_stack_below_it():
    log = """\
2026-01-01 INFO starting
2026-01-01 ERROR Exiting Kafka due to fatal exception (Kafka$)
org.apache.kafka.common.KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address already in use.
\tat kafka.network.Acceptor.openServerSocket(SocketServer.scala:738)
Caused by: java.net.BindException: Address already in use
\t... 9 more
2026-01-01 INFO shut down
"""
    assert meaningful(log).endswith("Socket server failed to bind to 127.0.0.1:9092: Address already in use.")


def test_pauses_between_restarts_double():
    restarts = Restarts()
    assert [restarts.pause_s(now) for now in (0, 1, 2, 3, 4)] == [0.5, 1, 2, 4, 8]


def test_the_sixth_restart_within_a_minute_is_refused():
    restarts = Restarts()
    for now in range(5):
        restarts.pause_s(now)
    assert restarts.pause_s(10) is None


def test_restarts_long_ago_count_no_more():
    restarts = Restarts()
    for now in range(5):
        restarts.pause_s(now)
    assert restarts.pause_s(100) == 0.5
    assert restarts.count == 6


def test_what_dies_is_started_again_after_a_pause(child):
    clock, one = Clock(), child(SLEEP)
    supervisor = Supervisor(clock)
    supervisor.start([one])
    first = one.pid
    one.kill()
    (noticed,) = supervisor.check()
    assert noticed == "`child` ended (SIGKILL); it is started again in 0.5 s"
    assert supervisor.check() == []
    assert not one.alive
    assert supervisor.states() == {"child": "down (SIGKILL), restarted 1 time"}
    clock.now += 0.5
    assert supervisor.check() == []
    assert one.alive
    assert one.pid != first
    supervisor.stop()


def test_what_dies_again_and_again_stops_everything(child):
    clock, one = Clock(), child(["/bin/sh", "-c", "echo ERROR no use; exit 7"])
    supervisor = Supervisor(clock)
    supervisor.start([one])

    def until_it_is_given_up():
        while True:
            one.wait(30)
            supervisor.check()
            clock.now += 4

    with pytest.raises(
        HeadraceError, match=r"`child` ended \(exit code 7\): ERROR no use .*5 times within 60 s before"
    ):
        until_it_is_given_up()


def test_what_is_not_needed_is_left_alone_instead(child):
    """Said once."""
    clock, one = Clock(), child(["/bin/sh", "-c", "echo ERROR no use; exit 7"])
    supervisor = Supervisor(clock)
    supervisor.start([one], needed=False)
    noticed: list[str] = []
    while not supervisor.left_alone(one):
        assert one.wait(30)
        noticed += supervisor.check()
        clock.now += 4
    assert len(noticed) == 6
    assert noticed[-1].endswith(
        "it was started again 5 times within 60 s before, so it is left alone: the others run on"
    )
    assert supervisor.check() == []


def test_groups_stop_in_the_reverse_order(child, tmp_path):
    script = "trap 'echo {0} >> {1}; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    order = tmp_path / "order"
    children = [child(["/bin/sh", "-c", script.format(name, order)], name) for name in ("first", "second", "third")]
    supervisor = Supervisor()
    for one in children:
        supervisor.start([one])
        wait_for(functools.partial(_is_ready, one))
    supervisor.stop()
    assert order.read_text().split() == ["third", "second", "first"]
