"""What a card is worth, and whether to buy it."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from river import metrics

from benchmarks.simulated import events_of, lanes_of
from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.settings import Settings
from streaming.usecase import Answer, Question
from trainer.offline import learn
from usecases.cards.events import LISTINGS, SALES
from usecases.cards.fair_price import FairPrice, FairPriceFeatures, flags, measures, numbers
from usecases.cards.signal import Thresholds, deviation, signal

LISTING = {
    "listing_id": "L1",
    "time": dt.datetime(2026, 1, 10, tzinfo=dt.UTC),
    "set": "crown",
    "rarity": "epic",
    "condition": "mint",
    "grade": 10,
    "seller": "auction",
    "seller_rating": 4.5,
    "market_price": 100.0,
    "days_listed": 2.0,
}
X = {name: value for name, value in LISTING.items() if name not in ("listing_id", "time")}
PRICES = st.floats(0.01, 1e6)


def test_days_without_an_end_are_refused():
    """One listing must not stretch the scale for all others."""
    with pytest.raises(BadRecord, match="days_listed must be less than or equal to 36500"):
        Codec(LISTINGS).check({**LISTING, "days_listed": 1e308})


def test_a_listing_is_a_question_of_its_own():
    """It is asked under the listing's id."""
    fair_price: Any = FairPrice()
    assert list(fair_price.ask(LISTING, None)) == [Question("L1", X, "L1")]


def test_a_sale_answers_its_listing():
    """With what was paid."""
    fair_price: Any = FairPrice()
    assert list(fair_price.answer({"listing_id": "L1", "price": 80.0}, None)) == [Answer(80.0, id="L1")]


def test_answers_are_heard_first_and_unsold_cards_expire():
    """At one moment sales come before listings; two weeks without a sale teach nothing."""
    assert FairPrice.topics == (SALES, LISTINGS)
    assert (FairPrice.horizon, FairPrice.unanswered) == (dt.timedelta(days=14), None)


def test_x_is_a_request():
    """What the models are given can be sent as a request, and gives itself."""
    requests: Any = TypeAdapter(FairPriceFeatures)
    assert requests.validate_python(X, strict=True) == X
    assert FairPrice().features(X, {}) == X


def test_what_is_missing_is_named():
    """A request without one of its fields cannot be answered."""
    with pytest.raises(BadRecord, match="grade is missing"):
        FairPrice().features({name: value for name, value in X.items() if name != "grade"}, {})


@pytest.mark.parametrize("wrong", [{"grade": 11}, {"market_price": 0.0}, {"rarity": "mythic"}, {"days_listed": -1.0}])
def test_request_bounds(wrong):
    """What cannot be is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(FairPriceFeatures).validate_python({**X, **wrong})


def test_flags():
    """One of each kind is 1."""
    told = ["set_crown", "rarity_epic", "condition_mint", "grade_10", "seller_auction"]
    assert [name for name, value in flags(X).items() if value] == told


def test_wear_is_of_rare_cards():
    """A worn card loses more ranks the rarer it is; a mint one none."""
    assert measures(X)["wear"] == 0
    assert measures({**X, "condition": "good"})["wear"] == 3 * 2
    assert measures({**X, "condition": "good", "rarity": "common"})["wear"] == 0


def test_a_tree_splits_by_ranks():
    """It is told the grade and no flags of it."""
    assert numbers(X)["grade"] == 10
    assert not any(name.startswith(("grade_", "rarity_", "condition_")) for name in numbers(X))


def test_thresholds_come_from_the_settings(monkeypatch):
    """HEADRACE_FAIR_PRICE__BUY_BELOW and __SELL_ABOVE; without them 10 and 15 percent."""
    assert FairPrice().thresholds == Thresholds(0.10, 0.15)
    monkeypatch.setenv("HEADRACE_FAIR_PRICE__BUY_BELOW", "0.2")
    monkeypatch.setenv("HEADRACE_FAIR_PRICE__SELL_ABOVE", "0.3")
    configured: Any = FairPrice.configured(Settings())
    assert configured.thresholds == Thresholds(0.2, 0.3)
    assert FairPrice().thresholds == Thresholds(0.10, 0.15)


@given(PRICES)
def test_thresholds_are_reached_by_equality(fair):
    """Exactly 10 % under is a BUY, exactly 15 % over a SELL, whatever floating point makes of it."""
    assert signal(fair * 0.9, fair, Thresholds()) == "BUY"
    assert signal(fair * 1.15, fair, Thresholds()) == "SELL"
    assert signal(fair * 0.900_001, fair, Thresholds()) == "HOLD"
    assert signal(fair * 1.149_999, fair, Thresholds()) == "HOLD"


@given(PRICES, PRICES, st.floats(0, 2), st.floats(0, 2))
def test_an_interval_only_holds_back(market, fair, under, over):
    """BUY and SELL stay what they are if they would be so at the near end of the interval; else it is HOLD."""
    low, high = fair * (1 - under), fair * (1 + over)
    alone = signal(market, fair, Thresholds())
    near = low if alone == "BUY" else high
    stays = near > 0 and signal(market, near, Thresholds()) == alone
    assert signal(market, fair, Thresholds(), (low, high)) == (alone if stays else "HOLD")


def test_an_interval_below_zero_is_no_reason_to_buy():
    """The card may be worth nothing."""
    assert signal(1.0, 100.0, Thresholds(), (-5.0, 200.0)) == "HOLD"
    assert signal(1.0, -3.0, Thresholds()) == "HOLD"


def test_deviation_is_a_share():
    """Under the fair price it is negative."""
    assert (deviation(90, 100), deviation(100, 100), deviation(250, 100)) == (-0.1, 0.0, 1.5)


def test_the_learner_gives_what_a_bare_loop_of_river_gives():
    """Over the simulator's first events the MAE of the linear model is exactly that of the loop written by hand."""
    fair_price: Any = FairPrice()
    events = events_of(fair_price, 1_500, seed=4)
    learner, _, dead = learn(fair_price, lanes_of(fair_price, events))
    assert not dead

    model, mae = FairPrice.candidates["linear"](), metrics.MAE()
    asked: dict[str, Any] = {}
    for topic, event in events:
        if topic == LISTINGS.name:
            x = fair_price.features(event, {})
            asked[event["listing_id"]] = x, model.predict_one(x)
        else:
            x, predicted = asked.pop(event["listing_id"])
            mae.update(event["price"], predicted)
            model.learn_one(x, event["price"])
    assert learner.state.candidates["linear"].scores.values()["MAE"] == mae.get()
