"""What the instruments take of a trainer's time, on the lightest pool: what is put down each second, and the timing."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import REGISTRY, generate_latest

from benchmarks import learning
from benchmarks.cases.pages import PAGES, Pages
from streaming.arrivals import Arrivals
from streaming.merge import Moment, Place, Record
from trainer.changes import Changes
from trainer.drift import MOST
from trainer.learner import Learner
from trainer.observed import Observer, Read
from trainer.shard import LEARN_S
from trainer.status import learner_facts

_EVENTS = 1_000
"""Of one run: so short that the two of a pair see the machine in one mood."""
_WARM = 20
_PAIRS = 40
_TIMES = 200
_SCRAPED_S = 15.0


def run(_folder: Path, _bootstrap: str) -> None:
    """Learn in pairs of runs with and without the clock at the candidates; put everything down again and again."""
    learner = Learner(Pages())
    observer = Observer("pages", "0", learner)
    runs = _runs((_WARM + 2 * _PAIRS) * _EVENTS)
    for _ in range(_WARM):
        _learn(learner, next(runs))
    ratios = [_pair(learner, observer, runs, clock_first=bool(pair % 2)) for pair in range(_PAIRS)]
    slower, (low, _, high) = statistics.median(ratios) - 1, statistics.quantiles(ratios, n=4)
    put_s, scrape_s = _putting_down(learner, observer), _median_s(lambda: generate_latest(REGISTRY))
    clock = LEARN_S * max(0.0, 1 - 1 / (1 + slower))
    share = put_s + scrape_s / _SCRAPED_S + clock
    print("\ninstruments: their share of a trainer's time on one logistic regression (Phishing rows)")
    print(f"put down each second: {put_s * 1e3:.2f} ms; a scrape each {_SCRAPED_S:g} s: {scrape_s * 1e3:.1f} ms")
    print(
        f"the clock makes an event {slower:+.1%} (median of {_PAIRS} pairs, half of them {low - 1:+.1%} to "
        f"{high - 1:+.1%}), for {LEARN_S:g} s of each second: {clock:.2%}"
    )
    print(f"together {share:.2%} (ratio with to without {1 / (1 - share):.4f})")


def _pair(learner: Learner, observer: Observer, runs: Iterator[list[Moment]], *, clock_first: bool) -> float:
    """How many times as long a run takes with the clock; every other pair the other way round."""
    seconds = {}
    for clock in (clock_first, not clock_first):
        moments = next(runs)
        if clock:
            learner.begin_timing(observer.costs)
        seconds[clock] = _learn(learner, moments)
        if clock:
            learner.end_timing()
    return seconds[True] / seconds[False]


def _putting_down(learner: Learner, observer: Observer) -> float:
    """Seconds for all that is done once a second, but for the status itself, which is there for others."""
    place, changes, arrivals = Place(PAGES.name, 0), Changes(learner), Arrivals()
    facts, read = learner_facts(learner), Read({place: 1}, {PAGES.name: 1}, time.time(), training=True)

    def put() -> None:
        for drift in learner.drifts.values():
            drift._seen -= MOST  # noqa: SLF001  # each look hears as many mistakes as it may
        learner.look_for_drift()
        changes.look(facts)
        observer.learned(learner, facts)
        observer.read(read, time.time())
        for turn in range(round(1 / LEARN_S)):
            arrivals.fetched({place: turn}, 0.0, 0.0)
            arrivals.used({place: turn})

    return _median_s(put)


def _median_s(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _learn(learner: Learner, moments: list[Moment]) -> float:
    began = time.perf_counter()
    for moment in moments:
        learner.process(moment)
    return time.perf_counter() - began


def _runs(count: int) -> Iterator[list[Moment]]:
    """Events in runs of equal length, made beforehand."""
    _, examples = learning.from_pages(count)
    moments = [
        Moment(at, late=False, records=[Record(at, 0, b"", 0, at, PAGES.name, event, b"", 0.0)])
        for at, (x, y) in enumerate(examples)
        for event in [{"page": str(at), "second": at, "x": x, "is_phishing": y}]
    ]
    return iter([moments[at : at + _EVENTS] for at in range(0, count, _EVENTS)])
