"""Seconds from an event's arrival in Kafka to an answer by a model that has learned it, end to end."""

import http.client
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from river import compose, forest, linear_model, multiclass, optim, preprocessing, tree

from benchmarks import learning
from headrace.local.kafka import LocalKafka
from headrace.local.ports import LOOPBACK, answers, free_port
from producers.telecom import events as telecom
from streaming.control import read_status
from streaming.kafka import ensure_topics, producer
from streaming.settings import Kafka
from streaming.usecase import Features, UseCase
from usecases.telecom import plan
from usecases.telecom.events import USAGE
from usecases.telecom.plan import Plan, PlanFeatures

_RATE = 200
_WARM_UP_S, _MEASURE_S = 10, 40
_ASK_S = 0.02
_START_S = 60.0
_LAST_S = 10.0
KEY = "bench"
"""What signs the snapshots."""
BODY = json.dumps(
    PlanFeatures(
        avg_data_gb=25.0,
        avg_minutes=310.0,
        avg_sms=5.0,
        region="north",
        current_plan="standard",
        current_monthly_spend=65.0,
    )
).encode()
"""A request to `plan`: all its features."""


def numbers(x: Features) -> Features:
    """What the model of `PlanLinear` reads; defined here, because a snapshot may only name what its own module has."""
    return plan.numbers(x)


class PlanLinear(Plan):
    """`plan` with a champion that is linear for sure."""

    candidates = {  # declared once, read only
        "logistic": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | multiclass.OneVsRestClassifier(linear_model.LogisticRegression(optim.SGD(0.05)))
        )
    }


class Silenced(forest.ARFClassifier):
    """A forest that works as always and then answers something wrong, so that it costs the same and never wins."""

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[bool | str | int, float]:
        """The probabilities, each given to another class."""
        found = super().predict_proba_one(x, **kwargs)
        return dict(zip(found, [*list(found.values())[1:], *list(found.values())[:1]], strict=True))


class PlanTree(Plan):
    """`plan` with its whole default pool, of which one of the two small models is champion."""

    candidates = {  # declared once, read only
        **PlanLinear.candidates,
        "hoeffding": lambda: compose.FuncTransformer(numbers) | tree.HoeffdingTreeClassifier(grace_period=100),
        "forest": lambda: compose.FuncTransformer(numbers) | Silenced(n_models=5, seed=42),
    }


@dataclass
class Heard:
    """What the answers said: when first so much was learned, and by which snapshot."""

    first: list[tuple[int, float]] = field(default_factory=list)
    """(learned, when an answer first said it), growing in both."""
    ages: list[float] = field(default_factory=list)
    """The age of each snapshot in its first answer."""
    candidates: Counter[str] = field(default_factory=Counter)
    """Answers by candidate."""

    def take(self, model: dict[str, Any] | None, now: float) -> None:
        """Use one answer."""
        if model is None:
            return
        self.candidates[model["candidate"]] += 1
        if not self.first or model["learned"] > self.first[-1][0]:
            self.first.append((model["learned"], now))
            self.ages.append(model["age_seconds"])


def run(folder: Path, _bootstrap: str) -> None:
    """Each use case on a broker of its own, so that the k-th event of the topic is the k-th example."""
    print(f"\nfreshness: from Kafka's acknowledgement to an answer that has learned it, {_RATE} events/s, seconds")
    columns = f"{'p50':>6}{'p95':>6}{'max':>6}{'to learn':>10}{'snapshot every':>16}{'to serve':>10}{'kB':>7}"
    print(f"{'use case':<16}{columns}  champion (share of answers)")
    for use_case in (Plan(), PlanTree(), PlanLinear()):
        home = folder / f"freshness-{use_case.name}"
        with LocalKafka(home) as broker:
            print(_row(use_case, home, broker.bootstrap), flush=True)


def _row(use_case: UseCase, home: Path, bootstrap: str) -> str:
    kafka = Kafka(bootstrap_servers=bootstrap)
    ensure_topics(kafka, [USAGE.name])
    with serving(home, bootstrap) as port, _training(use_case, home, bootstrap):
        arrived, heard = _measure(use_case, kafka, port)
        status = read_status(kafka, use_case.name)[0]
    wrong = {name: status[name] for name in ("late", "dead", "duplicates") if status[name]}
    if wrong:
        raise SystemExit(f"the k-th event is not the k-th example of {use_case.name}: {wrong}")
    took = _delays(arrived, heard.first)
    swaps = sum(now >= arrived[_WARM_UP_S * _RATE] for _, now in heard.first)
    # A snapshot's newest example tells how long fetching and merging take, its age in its first answer the rest.
    seen = zip(heard.first, heard.ages, strict=True)
    to_learn = _share(sorted(now - age - arrived[learned - 1] for (learned, now), age in seen), 0.5)
    every, to_serve = _MEASURE_S / swaps, _share(sorted(heard.ages), 0.5)
    newest = max((home / "store" / "models" / use_case.name).rglob("*.model"), key=lambda path: path.stat().st_mtime)
    total = heard.candidates.total()
    champions = ", ".join(f"{name} {count / total:.0%}" for name, count in heard.candidates.most_common())
    times = f"{_share(took, 0.5):>6.2f}{_share(took, 0.95):>6.2f}{took[-1]:>6.2f}"
    means = f"{to_learn:>10.2f}{every:>16.2f}{to_serve:>10.2f}{newest.stat().st_size / 1024:>7.0f}"
    return f"{use_case.name:<16}{times}{means}  {champions}"


def _measure(use_case: UseCase, kafka: Kafka, port: int) -> tuple[list[float], Heard]:
    """Produce steadily while a second thread asks; arrival times by event, and what the answers said."""
    heard, done = Heard(), threading.Event()
    count = _RATE * (_WARM_UP_S + _MEASURE_S)

    def ask() -> None:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
        began = time.monotonic()
        for turn in itertools.count(1):
            connection.request("POST", f"/v1/{use_case.name}/predict", BODY)
            answer = json.loads(connection.getresponse().read())
            heard.take(answer.get("model"), time.monotonic())
            if done.is_set() and (not heard.first or heard.first[-1][0] >= count or time.monotonic() > ends[0]):
                return
            time.sleep(max(0.0, began + turn * _ASK_S - time.monotonic()))

    ends = [float("inf")]
    asker = threading.Thread(target=ask)
    asker.start()
    try:
        arrived = _produce(kafka, count)
    finally:
        ends[0] = time.monotonic() + _LAST_S
        done.set()
        asker.join()
    return arrived, heard


def _produce(kafka: Kafka, count: int) -> list[float]:
    """Usage events at a steady rate; when each was acknowledged."""
    usage = (event for topic, event in telecom(seed=1) if topic is USAGE)
    values = learning.encoded(itertools.islice(usage, count))
    client, arrived = producer(kafka), [0.0] * count
    began = time.monotonic()
    for k, (key, value) in enumerate(values):

        def note(error: object, _message: object, k: int = k) -> None:
            if error is None:
                arrived[k] = time.monotonic()

        client.produce(USAGE.name, key=key, value=value, on_delivery=note)
        while (left := began + (k + 1) / _RATE - time.monotonic()) > 0:
            client.poll(left)
    client.flush()
    if not all(arrived):
        raise SystemExit("Kafka has not taken all events")
    return arrived


def _delays(arrived: list[float], first: list[tuple[int, float]]) -> list[float]:
    """Sorted: for each event after the warm-up, the time until an answer had learned it."""
    found, at = [], 0
    for k in range(_WARM_UP_S * _RATE, len(arrived)):
        while at < len(first) and first[at][0] < k + 1:
            at += 1
        if at == len(first):
            raise SystemExit(f"event {k + 1} of {len(arrived)} was not served within {_LAST_S:.0f} s")
        found.append(first[at][1] - arrived[k])
    return sorted(found)


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


@contextmanager
def serving(home: Path, bootstrap: str) -> Iterator[int]:
    """An API on a port of its own, ready."""
    port = free_port()
    with _process(home, bootstrap, "serve", "--port", str(port)) as process:
        deadline = time.monotonic() + _START_S
        while not answers(port, "/readyz"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the API is not ready")
            time.sleep(0.05)
        yield port


@contextmanager
def _training(use_case: UseCase, home: Path, bootstrap: str) -> Iterator[None]:
    """A trainer that learns."""
    with _process(home, bootstrap, "train", use_case.name) as process:
        deadline = time.monotonic() + _START_S
        while " learning " not in (home / "train.log").read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the trainer does not learn")
            time.sleep(0.05)
        yield


@contextmanager
def _process(home: Path, bootstrap: str, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of our commands with a store below `home`, ended in order."""
    environment = os.environ | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_INSTANCE": "bench",
        "HEADRACE_USE_CASES": "benchmarks.freshness",
        "HEADRACE_STORE": (home / "store").as_uri(),
        "HEADRACE_SIGNING_KEY": KEY,
        "HEADRACE_REDIS_URL": "",
        "MLFLOW_TRACKING_URI": "",
    }
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{command[0]}.log"
    with path.open("wb") as log:
        arguments = [sys.executable, "-m", "headrace", *command]
        process = subprocess.Popen(arguments, stdout=log, stderr=log, env=environment)
        try:
            yield process
        except SystemExit:
            sys.stderr.write(path.read_text())
            raise
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
