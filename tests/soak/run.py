"""One run: trainer, archive, API and broker are killed at random while a producer writes; then all is compared."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from headrace.local.kafka import LocalKafka
from headrace.local.ports import free_port
from streaming.control import read_latest
from streaming.kafka import ensure_topics
from streaming.settings import Kafka
from streaming.snapshots import Pointer, open_model
from streaming.store import Store
from streaming.topics import MODELS
from tests.soak import truth
from tests.soak.parcels import ARRIVED, SENT, Parcels
from tests.soak.victims import Api, Victim
from tests.soak.writer import PARTITIONS, Writer, lines, present
from tests.support import CommandLine, Running, wait_for
from usecases.registry import modules_of

ROOT = Path(__file__).parents[2]
KEY = "a key of the tests"
ARCHIVE = ("archive", SENT.name, ARRIVED.name)


@dataclass(frozen=True)
class Plan:
    """How much, and by which seed."""

    seed: int
    seconds: float
    rate: float
    """Events a second."""
    longest_s: float
    """How long a process may live at work."""
    broker_every_s: float
    """The mean time between two kills of the broker."""
    kills: int
    """Go on until there were so many, beyond the seconds if need be."""
    patience_s: float = 600.0
    """How long each of the last commands may take."""


@dataclass
class Findings:
    """What came out."""

    facts: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        """Note a fact, and whether it is as it should be."""
        self.facts[what] = found
        self.demand(what, found, wanted)

    def demand(self, what: str, found: Any, wanted: Any) -> None:
        """The same, but said only when it is not."""
        if found != wanted:
            self.wrong.append(f"{what}: got {_short(found)}, wanted {_short(wanted)}")


def settings(line: CommandLine, bootstrap: str) -> None:
    """What every command of the run is told."""
    line.environment |= {
        "PYTHONPATH": str(ROOT),
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_STORE": (line.folder / "store").as_uri(),
        "HEADRACE_SIGNING_KEY": KEY,
        "HEADRACE_USE_CASES": "tests.soak.parcels",
        "HEADRACE_INSTANCE": "soak",
        "HEADRACE_CHECKPOINT_EVERY_S": "0.3",
        "HEADRACE_ARCHIVE_ROWS": "500",
        "HEADRACE_ARCHIVE_EVERY_S": "0.3",
        "HEADRACE_ARCHIVE_COMPACT_EVERY_S": "2",
    }


def run(line: CommandLine, broker: LocalKafka, plan: Plan) -> Findings:
    """Kill for the planned time, let everything finish, compare."""
    settings(line, broker.bootstrap)
    kafka = Kafka(bootstrap_servers=broker.bootstrap, partitions=PARTITIONS)
    ensure_topics(kafka, [SENT.name, ARRIVED.name])
    history, writer = truth.History(), Writer(kafka)
    port, store = free_port(), line.environment["HEADRACE_STORE"]

    def remember() -> None:
        history.note(truth.newest_checkpoint(Parcels(), store, KEY))

    own = line, plan.seed, plan.longest_s
    trainer = Victim("trainer", ("train", "parcels"), " learning ", *own, after_kill=remember)
    archive = Victim("archive", ARCHIVE, " archiving ", *own)
    api = Api("API", ("serve", "--port", str(port)), "the API listens", *own, port=port)
    victims = [trainer, archive, api]
    started = time.monotonic()
    broker_kills = _haunt(victims, broker, writer, plan)
    writer.close(plan.patience_s)
    findings = Findings({"seed": plan.seed, "kills": {v.name: v.kills for v in victims} | {"broker": broker_kills}})
    findings.facts["killed at work"] = {v.name: v.at_work for v in victims}
    findings.facts["gave up while Kafka was away"] = {v.name: v.gave_up for v in victims}
    findings.expect("unexpected ends", [end for v in victims for end in v.failures], [])
    _finish(line, plan, findings)
    log = truth.Log.read(broker.bootstrap)
    findings.facts["events written"] = len(log.written)
    findings.expect("in Kafka as acknowledged", log.written == writer.written, True)
    findings.expect("archive: lost, doubled, changed", tuple(truth.archive(log, store)), (0, 0, 0))
    _compare_learner(log, history, store, findings)
    findings.facts["dead letters"] = len(log.letters())
    findings.demand("dead letters", truth.letters(broker.bootstrap), log.letters())
    _ask_api(line, api, kafka, findings)
    findings.facts["seconds"] = round(time.monotonic() - started)
    return findings


def _haunt(victims: list[Victim], broker: LocalKafka, writer: Writer, plan: Plan) -> int:
    """Kill all of them until there is enough; how often the broker was killed."""
    chance, stopped = random.Random(f"{plan.seed} broker"), threading.Event()
    written = lines(random.Random(f"{plan.seed} events"), present(), disorder=True)
    threads = [threading.Thread(target=victim.haunt, args=[stopped], name=victim.name) for victim in victims]
    writing = threading.Thread(target=writer.keep_writing, args=[written, stopped], kwargs={"pause_s": 1 / plan.rate})
    kills, until = 0, time.monotonic() + plan.seconds
    with _all(threads, writing, stopped):
        while not stopped.is_set() and (time.monotonic() < until or sum(v.kills for v in victims) < plan.kills):
            stopped.wait(min(chance.uniform(0.5, 1.5) * plan.broker_every_s, max(1.0, until - time.monotonic())))
            if time.monotonic() < until:
                broker.kill()
                stopped.wait(chance.uniform(0, 3))
                broker.start()
                kills += 1
    return kills


@contextmanager
def _all(threads: list[threading.Thread], writing: threading.Thread, stopped: threading.Event) -> Iterator[None]:
    for thread in [*threads, writing]:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in [*threads, writing]:
            thread.join()


def _finish(line: CommandLine, plan: Plan, findings: Findings) -> None:
    """Let trainer and archive come to the end, one last time."""
    for command in (("train", "parcels"), ARCHIVE):
        running = line.start(*command, "--until-end")
        code = running.finish(plan.patience_s)
        findings.demand(f"{command[0]} --until-end: exit code", code, 0)
        if code != 0:
            findings.wrong.append(running.complained[-2_000:])
        elif command[0] == "train":
            findings.facts["summary"] = json.loads(running.said.splitlines()[-1])


def _compare_learner(log: truth.Log, history: truth.History, store: str, findings: Findings) -> None:
    kept = truth.newest_checkpoint(Parcels(), store, KEY)
    if kept is None:
        findings.wrong.append("there is no checkpoint")
        return
    findings.expect("learner: lost, doubled, changed", tuple(truth.learning(log, kept.order)), (0, 0, 0))
    findings.facts["checkpoints looked at"] = len(history.seen)
    findings.expect("checkpoints whose order was not kept", history.broken(kept.order), [])
    offsets = {place: offset for place, offset in kept.offsets.items() if offset}
    findings.expect("learner is at the end", offsets == log.ends(), True)
    is_, should = truth.facts(kept.learner), truth.facts(truth.relearn(log, kept.order))
    findings.expect("learner equals the pure learner", is_ == should, True)
    for name, value in should.items():
        findings.demand(f"learner's {name}", is_[name], value)
        if name != "predictions":
            findings.demand(f"summary's {name}", findings.facts.get("summary", {}).get(name), _as_json(value))


def _ask_api(line: CommandLine, api: Api, kafka: Kafka, findings: Findings) -> None:
    """Started once more, it answers by the newest snapshot, and what that snapshot says."""
    findings.facts["API answers"] = {"answers": sum(api.answers.values()), "snapshots": len(api.answers)}
    findings.expect("API answers older than one before", api.stale, [])
    pointers = [Pointer.decode(json.dumps(value).encode()) for value in read_latest(kafka, MODELS).values()]
    newest = max((p for p in pointers if p.use_case == "parcels"), key=lambda pointer: pointer.order, default=None)
    if newest is None:
        findings.wrong.append("there is no snapshot")
        return
    sealed = Store(line.environment["HEADRACE_STORE"]).get(newest.object) or b""
    _, model = open_model(sealed, KEY.encode(), modules_of(Parcels()), use_case="parcels", name=newest.object)
    running = line.start(*api.command)
    with httpx2.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=5) as client:
        order = wait_for(lambda: api.ask(client), timeout_s=120, what="an answer of the API")
        body = client.post("/v1/parcels/predict", json={"km": 2_000.0, "express": False}).json()
    _end(running)
    findings.expect("API answers by the newest snapshot", order, newest.order)
    findings.expect("API's prediction", body["prediction"], model.predict_one({"km": 2.0, "express": 0.0}))


def _end(running: Running) -> None:
    running.process.kill()
    running.process.wait()


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 500 else f"{text[:500]}…"
