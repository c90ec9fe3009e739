"""`python -m benchmarks reasons`: how many customers leave, by the reasons that `churn` gives for it."""

import argparse
import datetime as dt
from itertools import islice
from typing import Any

from producers import telecom
from streaming.usecase import Features
from usecases.telecom.churn import Churn
from usecases.telecom.customer import Customer
from usecases.telecom.events import USAGE
from usecases.telecom.reasons import reasons

_EVENTS, _SEED = 200_000, 42
_KINDS = {"overage": "Use beyond the plan", "falling use": "The last week's use", "a new customer": "The customer has"}
"""What their sentences begin with."""


def main(arguments: list[str]) -> None:
    """Print a table: which reasons, how many questions, how many of them were followed by leaving."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reasons", description=__doc__)
    parser.add_argument("--count", type=int, default=_EVENTS, help=f"events of the simulated company ({_EVENTS:,})")
    parser.add_argument("--seed", type=int, default=_SEED, help=f"of the simulated company ({_SEED})")
    told = parser.parse_args(arguments)
    questions = [([one.sentence for one in reasons(x)], left) for x, left in asked(told.count, told.seed)]
    print("| reasons | questions | left within thirty days |\n|---|---|---|")
    _print("all", [left for _, left in questions])
    for kind, beginning in _KINDS.items():
        _print(kind, [left for said, left in questions if any(one.startswith(beginning) for one in said)])
    _print("two or more", [left for said, left in questions if len(said) > 1])
    _print("none", [left for said, left in questions if not said])


def asked(count: int, seed: int) -> list[tuple[Features, bool]]:
    """The simulated company's questions, each with whether the customer left within thirty days."""
    churn: Any = Churn()
    customers: dict[str, Customer] = {}
    questions, left = [], {}
    date = dt.date.min
    for topic, event in islice(telecom.events(seed=seed), count):
        date = event["date"]
        if topic is USAGE:
            customer = customers.setdefault(event["customer_id"], Customer())
            questions += [(date, question) for question in churn.ask(event, customer)]
        else:
            left[event["customer_id"]] = date
    month = dt.timedelta(days=30)
    return [(q.x, left.get(q.key, dt.date.max) <= day + month) for day, q in questions if day + month <= date]


def _print(kind: str, left: list[bool]) -> None:
    print(f"| {kind} | {len(left):,} | {100 * sum(left) / max(1, len(left)):.1f} % |")
