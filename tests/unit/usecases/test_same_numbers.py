"""Learning gives the same numbers in every process, whatever the order of its sets of strings."""

import pytest

from tests.hash_seeds import said_with_each_of_two

_LEARN = """
import hashlib, sys
from itertools import islice
from producers.sources import source_for
from streaming.asking import asking
from streaming.settings import Settings
from usecases.registry import load_use_cases

use_case = load_use_cases(Settings())[sys.argv[1]]
source = source_for({topic.name for topic in use_case.topics})
profiles, told = {}, hashlib.sha256()
models = [make() for make in use_case.candidates.values()]
handlers = use_case.handlers()
for number, (topic, event) in enumerate(islice(source.events(), int(sys.argv[2]))):
    profile = profiles.setdefault(event[topic.key], use_case.profile()) if use_case.profile else None
    for outcome in [o for handler in handlers.get(topic.name, ()) for o in handler(use_case, event, profile)]:
        if hasattr(outcome, "x"):
            y = getattr(outcome, "y", number % 5 == 0 if use_case.unanswered is False else 10.0 + number % 5)
            for model in models:
                told.update(repr(asking(model)(outcome.x)).encode())
                model.learn_one(outcome.x, y)
print(told.hexdigest())
"""


@pytest.mark.parametrize(("use_case", "events"), [("plan", 1_500), ("churn", 5_000), ("eta", 700), ("fair-price", 700)])
def test_hash_seed_does_not_matter(use_case, events):
    """Two processes with different hash seeds predict the same to the last bit, all candidates, in the same order."""
    assert len(said_with_each_of_two(_LEARN, use_case, str(events))) == 1
