"""Memory of one learner over a million events with 100,000 keys: flat once all are known and a horizon is over."""

import multiprocessing
import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import psutil

from streaming.codec import Codec
from streaming.merge import Place
from streaming.usecase import UseCase
from trainer.offline import learn
from usecases.telecom.churn import Churn
from usecases.telecom.events import CHURN, USAGE

EVENTS = 1_000_000
KEYS = 100_000
_EVERY = 50_000
_A_DAY = 3_000
"""Events of one day: a customer is heard of about once in thirty-three days, the run goes over 333 days."""
_MB = 1 << 20


class Unlimited(Churn):
    """`churn` by one linear model: a forest grows with what it learns, here the state beside it is looked at."""

    name = "churn"
    candidates = {"logistic": Churn.candidates["logistic"]}


class Limited(Unlimited):
    """The same with room for a fifth of the keys."""

    name = "churn"
    most_profiles = 20_000
    most_open = 20_000


def run(_folder: Path, _bootstrap: str) -> None:
    """One curve without a limit that is reached, one with."""
    print(f"\nsoak: RSS in MB of a learner of churn (logistic alone), {EVENTS:,} events, {KEYS:,} keys")
    for use_case, what in (
        (Unlimited, "the default limits"),
        (Limited, f"most_profiles = most_open = {Limited.most_open:,}"),
    ):
        process = multiprocessing.get_context("spawn").Process(target=curve, args=(use_case, what))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{what} failed")


def curve(use_case: type[UseCase], what: str) -> None:
    """Learn, and print the memory every 50,000 events."""
    print(f"{what}:")
    began = time.monotonic()
    learner, _, dead = learn(use_case(), {Place(USAGE.name, 0): _events(), Place(CHURN.name, 0): iter(())})
    state, counts = learner.state, learner.state.counts
    print(
        f"  {counts.events:,} events in {time.monotonic() - began:.0f} s: {len(state.profiles):,} profiles, "
        f"{counts.evicted:,} evicted, {len(state.join.open):,} open, {counts.expired:,} expired, "
        f"{counts.learned:,} learned, {len(dead)} dead",
        flush=True,
    )


def _events() -> Iterator[tuple[bytes, bytes]]:
    """Usage of customers in no order; RSS is printed on the way."""
    chance, codec, process = random.Random(1), Codec(USAGE), psutil.Process()
    first = date(2026, 1, 1)
    for number in range(EVENTS):
        if number % _EVERY == 0:
            print(f"  {number:>9,}{process.memory_info().rss / _MB:>7.0f}", flush=True)
        customer = f"C{chance.randrange(KEYS):06}"
        event = {
            "customer_id": customer,
            "date": first + timedelta(days=number // _A_DAY),
            "data_gb": chance.random() * 2,
            "minutes": chance.random() * 30,
            "sms": chance.randrange(9),
            "region": "north",
            "current_plan": "basic",
            "current_monthly_spend": 20.0,
        }
        yield customer.encode(), codec.encode(event)
    print(f"  {EVENTS:>9,}{process.memory_info().rss / _MB:>7.0f}", flush=True)
