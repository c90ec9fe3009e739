"""Every line that a service writes for a collector is one JSON object of documented fields."""

import json

from tests.support import CommandLine, Running, fill, unique, wait_for
from tests.unit.streaming.test_log_fields import documented

DEAD = "dead letters: they are kept on their topic, learning goes on"


def lines(text: str) -> list[dict[str, object]]:
    """Each line of stderr, held to the page."""
    found: list[dict[str, object]] = [json.loads(line) for line in text.splitlines()]
    for line in found:
        assert line.keys() - documented() == set(), line
        assert {"timestamp", "level", "event", "service"} <= line.keys()
        assert line["level"] in {"info", "warning", "error"}
    return found


def events(running: Running) -> dict[str, dict[str, object]]:
    """What was said so far, by its words."""
    return {str(line["event"]): line for line in lines(running.complained) if running.complained.endswith("\n")}


def says(running: Running, event: str) -> dict[str, object]:
    """The line with these words, once it is there."""
    wait_for(lambda: event in events(running), timeout_s=120, what=event)
    return events(running)[event]


def test_lines_of_every_service_are_objects_of_documented_fields(kafka, tmp_path):
    """Of a start, bad records and an end; the trainer's bear its use case, and bad records are said once."""
    name = unique("lines").replace(".", "-")
    cli, topic = CommandLine(tmp_path), f"{name}.events"
    assert cli("new", name).returncode == 0
    cli.environment |= {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka, "HEADRACE_LOGS": "json"}
    cli.environment |= {"HEADRACE_USE_CASES": f"{name.replace('-', '_')}.py", "HEADRACE_MONITOR__PORT": "0"}
    try:
        services = trainer, archive, api = [
            cli.start("train", name), cli.start("archive", topic), cli.start("serve", "--port", "0")
        ]  # fmt: skip
        says(trainer, "learning")
        says(archive, "archiving")
        says(api, "the API listens")
        fill(kafka, topic, [(f"c{number}", b"{") for number in range(50)])
        said = says(trainer, DEAD)
        assert (said["use_case"], said["topic"]) == (name, topic)
        for running in services:
            running.interrupt()
        assert [running.finish() for running in services] == [0, 0, 0]
        written = [lines(running.complained) for running in services]
    finally:
        cli.close()
    assert {line["use_case"] for line in written[0]} == {name}
    assert [{line["service"] for line in of} for of in written] == [{"trainer"}, {"archive"}, {"api"}]
    assert sum(line["event"] == DEAD for line in written[0]) == 1


def test_the_last_sentence_of_a_service_is_a_line_too(tmp_path):
    """With its exit code; a person gets plain words."""
    cli = CommandLine(tmp_path, {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    done = cli("train", "plan", HEADRACE_LOGS="json")
    (line,) = lines(done.stderr)
    assert (line["event"], line["exit_code"], done.returncode) == ("ends", 1, 1)
    assert str(line["reason"]).startswith("Kafka at 127.0.0.1:1 does not answer")
    assert cli("train", "plan").stderr.startswith("headrace: Kafka at 127.0.0.1:1 does not answer")
