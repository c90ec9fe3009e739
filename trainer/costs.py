"""How long each candidate takes: calls that are timed, added up by candidate."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class Costs:
    """Seconds and calls by candidate, since the start."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def timed(self, name: str, call: Callable[[Unpack[Arguments]], Result]) -> Callable[[Unpack[Arguments]], Result]:
        """The same call, timed.

        >>> costs = Costs()
        >>> costs.timed("tree", abs)(-2), costs.calls["tree"], costs.seconds["tree"] > 0
        (2, 1, True)
        """
        seconds, calls, clock = self.seconds, self.calls, time.perf_counter

        def call_timed(*arguments: *Arguments) -> Result:
            began = clock()
            try:
                return call(*arguments)
            finally:
                seconds[name] += clock() - began
                calls[name] += 1

        return call_timed
