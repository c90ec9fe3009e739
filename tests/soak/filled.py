"""Topics that were complete before: a trainer that is killed again and again ends like one that never was."""

import json
import random
import threading
from typing import Any

from headrace.local.kafka import LocalKafka
from streaming.kafka import ensure_topics
from streaming.merge import Place
from streaming.settings import Kafka
from tests.soak import truth
from tests.soak.parcels import ARRIVED, SENT, Parcels
from tests.soak.run import KEY, Findings, settings
from tests.soak.victims import Victim
from tests.soak.writer import PARTITIONS, Writer, evenly, lines
from tests.support import CommandLine
from trainer.learner import Learner
from trainer.offline import learn

_COMMAND = ("train", "parcels", "--until-end")
_MOST = 30


def fill(bootstrap: str, *, seed: int, events: int) -> truth.Log:
    """Write so many records into the parcels' topics, and read them back."""
    kafka = Kafka(bootstrap_servers=bootstrap, partitions=PARTITIONS)
    ensure_topics(kafka, [SENT.name, ARRIVED.name])
    writer = Writer(kafka)
    writer.fill(lines(random.Random(seed), evenly(events, step=0.05), disorder=False))
    log = truth.Log.read(bootstrap)
    assert log.written == writer.written
    return log


def reference(log: truth.Log) -> Learner:
    """The pure learner, over the same records in the same merge."""
    lanes: dict[Place, list[tuple[bytes | None, bytes]]] = {}
    for (topic, partition, _), (key, value) in log.written.items():
        lanes.setdefault(Place(topic, partition), []).append((key, value or b""))
    return learn(Parcels(), {place: iter(lane) for place, lane in lanes.items()})[0]


def run(line: CommandLine, broker: LocalKafka, *, seed: int, events: int) -> Findings:
    """Kill a trainer, let it finish, and compare it with one that never stopped.

    Half of it is left for the end: it is killed until then, at most thirty times (a busy machine is slow to begin).
    """
    settings(line, broker.bootstrap)
    log, store = fill(broker.bootstrap, seed=seed, events=events), line.environment["HEADRACE_STORE"]
    stopped, history = threading.Event(), truth.History()

    def look() -> None:
        kept = truth.newest_checkpoint(Parcels(), store, KEY)
        history.note(kept)
        if victim.kills >= _MOST or (kept is not None and len(kept.order) > len(log.records) / 2):
            stopped.set()

    victim = Victim("trainer", _COMMAND, " learning ", line, seed, longest_s=4, after_kill=look)
    victim.haunt(stopped)
    findings = Findings({"seed": seed, "kills": {"trainer": victim.kills}, "events written": len(log.written)})
    findings.expect("unexpected ends", victim.failures, [])
    interrupted = _summary(line, findings)
    kept = truth.newest_checkpoint(Parcels(), store, KEY)
    whole = _summary(line, findings, HEADRACE_STORE=(line.folder / "other").as_uri(), HEADRACE_INSTANCE="other")
    pure = reference(log)
    if kept is not None:
        findings.expect("learner: lost, doubled, changed", tuple(truth.learning(log, kept.order)), (0, 0, 0))
        findings.expect("checkpoints whose order was not kept", history.broken(kept.order), [])
        findings.expect("equal to the pure learner", truth.facts(kept.learner) == truth.facts(pure), True)
    findings.expect("equal to an uninterrupted run", kept is not None and interrupted == whole, True)
    return findings


def _summary(line: CommandLine, findings: Findings, **environment: str) -> dict[str, Any]:
    running = line.start(*_COMMAND, **environment)
    code = running.finish(600)
    findings.demand("train --until-end: exit code", code, 0)
    if code != 0:
        findings.wrong.append(running.complained[-2_000:])
        return {}
    found: dict[str, Any] = json.loads(running.said.splitlines()[-1])
    return found
