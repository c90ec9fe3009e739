"""Readings of a space shuttle with rare faults (River, Shuttle), thinned to one fault in a hundred."""

from collections.abc import Iterator

from river import compose, datasets, forest, linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Answer, Event, Features, Question, UseCase, View, given, on
from usecases.ranking import PrecisionAtTop

_NAMES = tuple(f"f{n}" for n in range(1, 10))
_EVERY_FAULT = 8
_LATER_S = 1_000.5  # between two readings, so that no answer comes at the moment of a question


class Reading(TypedDict):
    """Nine sensors at one moment."""

    reading: str
    second: float
    f1: float
    f2: float
    f3: float
    f4: float
    f5: float
    f6: float
    f7: float
    f8: float
    f9: float


class Verdict(TypedDict):
    """Whether it was a fault, known later."""

    reading: str
    second: float
    fault: bool


READINGS = Topic("real.readings", Reading, key="reading", time="second")
VERDICTS = Topic("real.verdicts", Verdict, key="reading", time="second")


class Shuttle(UseCase):
    """Is this reading a fault?"""

    topics = (VERDICTS, READINGS)
    metric = metrics.F1
    reported = (lambda: metrics.ROCAUC(n_thresholds=101), PrecisionAtTop)  # type: ignore[no-untyped-call]
    window = 50_000
    candidates = {
        "logistic": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(0.02)),
        "hoeffding": lambda: tree.HoeffdingTreeClassifier(grace_period=100, delta=1e-5),
        "forest": lambda: compose.Select(*_NAMES) | forest.ARFClassifier(n_models=5, seed=42),
    }

    @on(READINGS)
    def ask(self, event: Event, _profile: None) -> Iterator[Question]:
        """A reading is seen."""
        yield Question(key=event["reading"], x=self.features(event, {}), id=event["reading"])

    @on(VERDICTS)
    def answer(self, event: Event, _profile: None) -> Iterator[Answer]:
        """Somebody has looked at it."""
        yield Answer(id=event["reading"], y=event["fault"])

    def features(self, event: Event, view: View) -> Features:
        """The sensors."""
        return given(_NAMES, event, view)


def events() -> Iterator[tuple[Topic, Event]]:
    """Every ordinary reading and each eighth fault, a second apart; the verdicts come a thousand seconds later."""
    faults, verdicts, second = 0, [], 0
    for x, y in datasets.Shuttle():
        faults += y
        if y and faults % _EVERY_FAULT:
            continue
        reading = f"r{second:05d}"
        yield READINGS, {"reading": reading, "second": float(second), **{name: float(x[name]) for name in _NAMES}}
        verdicts.append({"reading": reading, "second": second + _LATER_S, "fault": bool(y)})
        second += 1
    for verdict in verdicts:
        yield VERDICTS, verdict


DATA = RealData(
    name="shuttle",
    use_case=Shuttle(),
    stands_for="fraud",
    events=events,
    limits=(
        "A stand-in for the imbalance (every eighth fault is kept: about 1 %) and for labels that come later, not for "
        "fraud: no customers, no history, no thief who adapts, and its faults are far easier to tell apart."
    ),
    inputs=dict,
)
