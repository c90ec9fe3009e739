"""Trainers that were stopped in the middle of a write, and go on when others have long taken over."""

import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.local.kafka import LocalKafka
from headrace.local.ports import free_port
from streaming.checkpoints import KEPT, Checkpoints
from streaming.control import read_latest
from streaming.kafka import ensure_topics
from streaming.settings import Kafka
from streaming.store import Store
from streaming.topics import MODELS
from tests.soak import truth
from tests.soak.parcels import ARRIVED, SENT, Parcels
from tests.soak.run import KEY, settings
from tests.soak.victims import Api
from tests.soak.writer import PARTITIONS, Writer, lines, present
from tests.support import Running, stopped, wait_for
from tests.warm import WarmLine

_PLACES = ["put-snapshot:before:2:stop", "put-snapshot:after:2:stop", f"put-checkpoint:before:{KEPT + 2}:stop"]
"""The first puts its snapshot when others have long taken over; the second is between put and pointer."""
_QUIET_S = 12.0
"""Two session timeouts: time enough for copies that would take turns to do so."""


@contextmanager
def writing(bootstrap: str) -> Iterator[None]:
    """A producer at work."""
    kafka = Kafka(bootstrap_servers=bootstrap, partitions=PARTITIONS)
    ensure_topics(kafka, [SENT.name, ARRIVED.name])
    writer, over = Writer(kafka), threading.Event()
    events = lines(random.Random(3), present(), disorder=True)
    thread = threading.Thread(target=writer.keep_writing, args=[events, over], kwargs={"pause_s": 0.01})
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        writer.close()


@contextmanager
def asked(api: Api) -> Iterator[Running]:
    """An API at work that is asked all the time."""
    running, over = api.line.start(*api.command), threading.Event()
    thread = threading.Thread(target=api.live, args=[running, 600.0, over])
    thread.start()
    try:
        yield running
    finally:
        over.set()
        thread.join()
        running.process.kill()


def api_of(line: WarmLine) -> Api:
    port = free_port()
    return Api("API", ("serve", "--port", str(port)), "the API listens", line, 1, 600.0, port=port)


def row(line: WarmLine) -> dict[int, tuple[str, int]]:
    """Kind and epoch of every object in the row of claims and checkpoints, by number."""
    checkpoints = Checkpoints(Store(line.environment["HEADRACE_STORE"]), "parcels", "0", KEY.encode())
    found = {number: checkpoints._read(number) for number in checkpoints._numbers()}
    return {n: (str(one.header["kind"]), int(one.header["epoch"])) for n, one in found.items() if one is not None}


def claims(line: WarmLine) -> list[int]:
    return [epoch for kind, epoch in row(line).values() if kind == "claim"]


def alone(line: WarmLine) -> bool:
    """All checkpoints that are left were written by the newest owner."""
    left = [epoch for kind, epoch in row(line).values() if kind == "checkpoint"]
    return len(left) >= KEPT and set(left) == {max(claims(line))}


def caught_up(line: WarmLine, log: truth.Log, kafka: Kafka) -> bool:
    """The newest checkpoint covers all that Kafka holds, and the newest snapshot all that was learned."""
    kept = truth.newest_checkpoint(Parcels(), line.environment["HEADRACE_STORE"], KEY)
    if kept is None or {place: at for place, at in kept.offsets.items() if at} != log.ends():
        return False
    newest = read_latest(kafka, MODELS)[f"parcels/0/{max(claims(line))}"]
    return bool(newest["learned"] == kept.learner.state.counts.learned)


def fenced(zombie: Running) -> None:
    assert zombie.finish(60) == 1, zombie.complained
    sentence = r"headrace: another trainer of parcels has taken over \(.*\): this one publishes nothing more"
    assert re.fullmatch(sentence, zombie.complained.splitlines()[-1])


@contextmanager
def world(line: WarmLine) -> Iterator[Kafka]:
    """A broker, and copies without a name: each waits until the seat is free."""
    with LocalKafka(line.folder / "kafka") as broker:
        settings(line, broker.bootstrap)
        del line.environment["HEADRACE_INSTANCE"]
        try:
            yield Kafka(bootstrap_servers=broker.bootstrap)
        finally:
            line.close()


def test_trainers_stopped_in_a_write_are_fenced_when_they_go_on_and_nobody_serves_their_snapshots(tmp_path, nursery):
    line = WarmLine(tmp_path, nursery)
    api, late = api_of(line), api_of(line)
    with world(line) as kafka, asked(api) as reader:
        with writing(kafka.bootstrap_servers):
            zombies = []
            for place in _PLACES:
                zombies.append(line.start("train", "parcels", HEADRACE_FAILPOINT=place))
                wait_for(lambda: stopped(zombies[-1]), timeout_s=120, what=f"its stop at {place}")
            owner = line.start("train", "parcels")
            wait_for(
                lambda: len(claims(line)) == 4 and alone(line), timeout_s=120, what="older checkpoints to be pruned"
            )
        log = truth.Log.read(kafka.bootstrap_servers)
        wait_for(lambda: caught_up(line, log, kafka), timeout_s=120, what="the owner to have nothing more to say")
        for zombie in zombies:
            zombie.process.send_signal(signal.SIGCONT)
        for zombie in zombies:
            fenced(zombie)
        *older, newest = sorted(claims(line))
        pointers = read_latest(kafka, MODELS)
        assert all(pointers[f"parcels/0/{epoch}"]["n"] >= 2 for epoch in older[:2])  # they came last of all
        with asked(late):
            wait_for(lambda: late.newest != (0, 0), what="an answer of a reader that starts now")
            standby = line.start("train", "parcels")
            quiet = time.monotonic() + _QUIET_S
            wait_for(lambda: time.monotonic() > quiet and "another copy learns" in standby.complained)
        assert {epoch for epoch, _ in late.answers} == {newest}
        assert api.newest[0] == newest
        assert api.stale == late.stale == []
        assert len(claims(line)) == 4
        assert owner.process.poll() is standby.process.poll() is reader.process.poll() is None
        kept = truth.newest_checkpoint(Parcels(), line.environment["HEADRACE_STORE"], KEY)
        assert kept is not None
        assert truth.learning(log, kept.order) == (0, 0, 0)
        assert truth.facts(kept.learner) == truth.facts(truth.relearn(log, kept.order))
