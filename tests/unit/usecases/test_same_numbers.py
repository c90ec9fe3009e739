"""Learning gives the same numbers in every process, whatever the order of its sets of strings."""

import os
import subprocess
import sys

import pytest

_LEARN = """
import hashlib, sys
from itertools import islice
from producers import telecom
from usecases.telecom.churn import Churn
from usecases.telecom.plan import Plan

use_case = {"plan": Plan, "churn": Churn}[sys.argv[1]]()
customers, told = {}, hashlib.sha256()
models = [make() for make in use_case.candidates.values()]
handlers = use_case.handlers()
for number, (topic, event) in enumerate(islice(telecom.events(), 5_000 if sys.argv[1] == "churn" else 1_500)):
    customer = customers.setdefault(event["customer_id"], use_case.profile())
    for outcome in [o for handler in handlers.get(topic.name, ()) for o in handler(use_case, event, customer)]:
        if hasattr(outcome, "x"):
            y = getattr(outcome, "y", number % 5 == 0)
            for model in models:
                told.update(repr(list(model.predict_proba_one(outcome.x).items())).encode())
                model.learn_one(outcome.x, y)
print(told.hexdigest())
"""


@pytest.mark.parametrize("use_case", ["plan", "churn"])
def test_hash_seed_does_not_matter(use_case):
    """Two processes with different hash seeds predict the same to the last bit, all candidates, in the same order."""
    told = {
        subprocess.run(
            [sys.executable, "-c", _LEARN, use_case],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
