"""What the instruments take of a trainer's time, on the lightest pool: what is put down each second, and the timing."""

import time
from pathlib import Path

from benchmarks import learning
from benchmarks.cases.pages import PAGES, Pages
from streaming.merge import Moment, Place, Record
from trainer.learner import Learner
from trainer.observed import Observer, Read
from trainer.shard import LEARN_S
from trainer.status import learner_facts

_EVENTS = 20_000
_TIMES = 200


def run(_folder: Path, _bootstrap: str) -> None:
    """Learn some with and some without the clock at the candidates; put everything down again and again."""
    learner = Learner(Pages())
    observer = Observer("pages", "0", learner)
    moments = _moments(5 * _EVENTS)
    plain_s = timed_s = 0.0
    _learn(learner, moments[:_EVENTS])
    for pair in (1, 3):  # in turns, for the load of a machine comes and goes
        plain_s += _learn(learner, moments[pair * _EVENTS : (pair + 1) * _EVENTS])
        learner.begin_timing(observer.costs)
        timed_s += _learn(learner, moments[(pair + 1) * _EVENTS : (pair + 2) * _EVENTS])
        learner.end_timing()
    facts, read = learner_facts(learner), Read({Place(PAGES.name, 0): 1}, {PAGES.name: 1}, time.time(), training=True)
    began = time.perf_counter()
    for _ in range(_TIMES):
        observer.learned(learner, facts)
        observer.read(read, time.time())
    put_s = (time.perf_counter() - began) / _TIMES
    share = put_s + LEARN_S * max(0.0, 1 - plain_s / timed_s)
    print("\ninstruments: their share of a trainer's time on one logistic regression (Phishing rows)")
    print(
        f"each second {put_s * 1e3:.2f} ms; timing makes an event {timed_s / plain_s - 1:+.1%}, {LEARN_S:g} s a second"
    )
    print(f"together {share:.2%}")


def _learn(learner: Learner, moments: list[Moment]) -> float:
    began = time.perf_counter()
    for moment in moments:
        learner.process(moment)
    return time.perf_counter() - began


def _moments(count: int) -> list[Moment]:
    _, examples = learning.from_pages(count)
    return [
        Moment(at, late=False, records=[Record(at, 0, b"", 0, at, PAGES.name, event, b"", 0.0)])
        for at, (x, y) in enumerate(examples)
        for event in [{"page": str(at), "second": at, "x": x, "is_phishing": y}]
    ]
