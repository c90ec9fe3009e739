"""Metrics of a ranking: how good are those that a model puts at the top?"""

from math import log
from typing import Any

from river import metrics

_NEAREST = 1e-15  # probabilities closer to 0 or 1 are taken as this close, as by River's LogLoss
_FINE = 20  # bins for each unit of log-odds: their probabilities differ by 5 %


class _Top(metrics.base.BinaryMetric):
    """Counts answers in bins of equal log-odds, so that an answer can be taken back from a rolling window.

    Bins of log-odds tell the likeliest apart however rare the true ones are: all probabilities may be below 0.01. Where
    the edge of the top falls into a bin, the true ones of that bin are taken to be spread evenly.
    """

    def __init__(self, share: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share!r}")
        self.share = share
        self._bins: dict[int, tuple[int, int]] = {}
        """By rounded log-odds: all answers, and those that are true."""

    @property
    def requires_labels(self) -> bool:
        """It reads probabilities."""
        return False

    @property
    def works_with_weights(self) -> bool:
        """An answer counts once."""
        return False

    def update(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:  # noqa: ARG002  # River's signature
        """Take in an answer: the label, and the probability of each label (or of True alone)."""
        self._count(y_true, y_pred, 1)

    def revert(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:  # noqa: ARG002  # River's signature
        """Take back what `update` took in."""
        self._count(y_true, y_pred, -1)

    def _count(self, y_true: Any, y_pred: Any, by: int) -> None:
        p = y_pred.get(self.pos_val, 0.0) if isinstance(y_pred, dict) else y_pred
        p = min(max(float(p), _NEAREST), 1 - _NEAREST)
        at = round(_FINE * log(p / (1 - p)))
        total, true = self._bins.get(at, (0, 0))
        total, true = total + by, true + by * (y_true == self.pos_val)
        if total:
            self._bins[at] = total, true
        else:
            del self._bins[at]

    def _totals(self) -> tuple[int, int]:
        """All answers, and those that are true."""
        return sum(total for total, _ in self._bins.values()), sum(true for _, true in self._bins.values())

    def _precision(self) -> float:
        """The part of true ones at the top; 0 without answers."""
        wanted = left = self.share * self._totals()[0]
        found = 0.0
        for _, (total, true) in sorted(self._bins.items(), reverse=True):
            if total >= left:
                return (found + true * left / total) / wanted
            left -= total
            found += true
        return found / wanted if wanted else 0.0


class PrecisionAtTop(_Top):
    """Of the likeliest 1 %, the part that is true: precision at k, with k a share of all answers.

    Manning, Raghavan, Schütze: Introduction to Information Retrieval (2008), section 8.4.

    >>> metric = PrecisionAtTop(share=0.5)
    >>> for y, p in ((True, 0.9), (False, 0.8), (False, 0.2), (False, 0.1)):
    ...     metric.update(y, {True: p, False: 1 - p})
    >>> metric
    PrecisionAtTop: 50.00%
    """

    def __init__(self, share: float = 0.01) -> None:
        super().__init__(share)

    def get(self) -> float:
        """Between 0 and 1; 0 without answers."""
        return self._precision()


class LiftAtTop(_Top):
    """How many times as often the likeliest tenth is true as all are: lift in the top decile.

    Berry, Linoff: Data Mining Techniques (2004), chapter 3. At most 10 in the top tenth, and never more than one over
    the part that is true.

    >>> metric = LiftAtTop(share=0.5)
    >>> for y, p in ((True, 0.9), (False, 0.8), (False, 0.2), (False, 0.1)):
    ...     metric.update(y, {True: p, False: 1 - p})
    >>> metric
    LiftAtTop: 2.
    """

    _fmt = ",.6f"

    def __init__(self, share: float = 0.1) -> None:
        super().__init__(share)

    def get(self) -> float:
        """1 is no better than chance; 0 while nothing is true."""
        total, true = self._totals()
        return self._precision() * total / true if true else 0.0
