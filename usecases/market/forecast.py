"""What will a symbol's next price be?"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from pydantic import Field
from river import ensemble, forest, linear_model, metrics, neighbors, optim, utils
from typing_extensions import TypedDict

from streaming.errors import BadRecord
from streaming.usecase import Event, Example, Features, UseCase, View, on
from usecases.market.changes import AVAILABLE, NEWEST, Changes, Persistence
from usecases.market.events import MOST, PRICES
from usecases.market.series import Series
from usecases.per_key import PerKey
from usecases.renewing import Renewing

if TYPE_CHECKING:
    from streaming.settings import Settings

LAGS = 10
_Lag = Annotated[float, Field(ge=-MOST, le=MOST, description="in_1 is the newest value, in_2 the one before it")]


def request_of(lags: int) -> type:
    """The request with so many lags. Given from the newest on, as many as there are; none: they are looked up."""
    known = Annotated[int, Field(ge=0, le=lags, description="how many of the lags are real; left out: those given")]
    fields: dict[str, Any] = {NEWEST: _Lag}
    fields |= {f"in_{at}": NotRequired[_Lag] for at in range(2, lags + 1)}
    make: Any = TypedDict
    made: type = make("ForecastFeatures", fields | {AVAILABLE: NotRequired[known]})
    made.__doc__ = "The last values of one symbol."
    return made


def per_symbol(regressor: Any, lags: int | None = None) -> PerKey:
    """Changes of each symbol's series, predicted by a model of its own."""
    return PerKey(Changes(regressor, lags=lags), key="symbol", most=1_000)


class Forecast(UseCase):
    """What will the next price of this symbol be?

    The price that comes is the answer to what was known before it: every price is an example.
    """

    topics = (PRICES,)
    profile = Series
    sharded = True
    lags = LAGS
    request = request_of(LAGS)
    metric = metrics.MAE
    reported = (
        metrics.MSE,
        metrics.RMSE,
        metrics.MAPE,
        *(
            partial(utils.Rolling, metric, window)
            for metric in (metrics.MSE, metrics.RMSE, metrics.MAPE)
            for window in (5, 10, 20)
        ),
    )
    horizon = timedelta(days=1)
    candidates = {  # declared once, read only
        "linear": lambda: per_symbol(
            linear_model.LinearRegression(optim.SGD(0.01), loss=optim.losses.Huber(1.0), intercept_lr=0.01)
        ),
        "bagging": lambda: per_symbol(
            ensemble.BaggingRegressor(
                linear_model.LinearRegression(optim.SGD(0.005), l2=0.02, intercept_lr=0.005, clip_gradient=2.0),
                n_models=3,
                seed=42,
            )
        ),
        # What is far away in time tells little of what comes next, and every lag more makes neighbours rarer.
        "knn": lambda: per_symbol(
            neighbors.KNNRegressor(n_neighbors=5, engine=neighbors.LazySearch(window_size=200)), lags=5
        ),
        "amf": lambda: per_symbol(Renewing(forest.AMFRegressor(n_estimators=3, step=0.2, seed=42), every=150), lags=4),
        "persistence": Persistence,
    }

    @classmethod
    def configured(cls, settings: "Settings") -> UseCase:
        """With as many lags as HEADRACE_FORECAST__LAGS says."""
        lags = settings.forecast.lags
        if lags == cls.lags:
            return cls()
        own = {"name": cls.name, "lags": lags, "request": request_of(lags), "__doc__": cls.__doc__}
        kind: type[Forecast] = type(cls.__name__, (cls,), {**own, "__module__": cls.__module__})
        return kind()

    @on(PRICES)
    def learn(self, event: Event, profile: Series) -> Iterator[Example]:
        """Each price, with the lags before it; one that is told again or late is passed over."""
        if profile.precedes(event["time"]):
            yield Example(key=event["symbol"], x=self.features(event, profile.view()), y=event["value"])
            profile.append(event["time"], event["value"], most=self.lags)

    def features(self, event: Event, view: View) -> Features:
        """The symbol, its lags from the request if it has any, else from the view, and how many are real."""
        if "symbol" not in event:
            raise BadRecord("symbol is missing: each has a model of its own")
        given = event if NEWEST in event else view
        names = [f"in_{at}" for at in range(1, self.lags + 1)]
        there = [name in given for name in names]
        known = sum(there)
        if not all(there[:known]):
            raise BadRecord(f"{names[there.index(False)]} is missing: lags are given from in_1 on, without a gap")
        real = int(given.get(AVAILABLE, known))
        if known and not real and (known < self.lags or any(given[name] for name in names)):
            raise BadRecord(f"{AVAILABLE} is 0, but {NEWEST} is given: wanted at least 1, or no {AVAILABLE}")
        known = min(known, real)
        lags = {name: float(given[name]) if at < known else 0.0 for at, name in enumerate(names)}
        return {"symbol": event["symbol"], AVAILABLE: known, **lags}

    def rules(self, x: Features) -> float | None:
        """Persistence: the newest value."""
        return float(x[NEWEST]) if x[AVAILABLE] else None

    def explain(self, x: Features, prediction: Any) -> dict[str, Any]:  # noqa: ARG002  # it is about x
        """How many of the lags are real."""
        return {AVAILABLE: x[AVAILABLE]}


def followed_by(x: Features, value: float) -> Features:
    """The inputs one step later, when `value` is what came.

    >>> followed_by({"symbol": "A", "available_lags": 1, "in_1": 5.0, "in_2": 0.0, "in_3": 0.0}, 6.0)
    {'symbol': 'A', 'available_lags': 2, 'in_1': 6.0, 'in_2': 5.0, 'in_3': 0.0}
    """
    names = [name for name in x if name.startswith("in_")]
    older = {name: x[before] for before, name in pairwise(names)}
    return {**x, AVAILABLE: min(len(names), x[AVAILABLE] + 1), NEWEST: value, **older}
