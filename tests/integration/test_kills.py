"""A few seconds of what `make soak` does for long: everything is killed at random moments while a producer writes."""

from headrace.local.kafka import LocalKafka
from tests.soak.run import Plan, run
from tests.warm import WarmLine


def test_whatever_is_killed_while_a_producer_writes_nothing_is_lost_or_learned_or_archived_twice(tmp_path, nursery):
    plan = Plan(seed=5, seconds=12, rate=150, longest_s=1.5, broker_every_s=6, kills=10)
    line = WarmLine(tmp_path, nursery)
    try:
        with LocalKafka(tmp_path / "kafka") as broker:
            findings = run(line, broker, plan)
    finally:
        line.close()
    assert findings.wrong == [], findings.facts
