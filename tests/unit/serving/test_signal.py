"""Buy, sell or hold over HTTP."""

import itertools
from typing import Any

import pytest

from serving.model import Model
from streaming.settings import FairPrice as Shares
from streaming.settings import Settings
from tests.api import Api, pointer
from usecases.cards.fair_price import FairPrice
from usecases.intervals import RelativeJackknife

SIGNAL = "/v1/fair-price/signal"
LISTING = {
    "set": "frontier",
    "rarity": "rare",
    "condition": "near_mint",
    "grade": 9,
    "seller": "private",
    "seller_rating": 4.7,
    "days_listed": 3.5,
}


class Same:
    """A model that thinks every card to be worth 100."""

    def predict_one(self, x: dict[str, Any]) -> float:
        """A hundred."""
        return 100.0

    def learn_one(self, x: dict[str, Any], y: float) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Api:
    """An API that knows what cards are worth."""
    return Api(more=[FairPrice()])


def serve(api: Api, model: Any) -> None:
    """Serve this model from now on."""
    own = pointer("fair-price")
    api.serve(Model.of(own, model, object=own.object))


def unsure(spread: float) -> Any:
    """A real conformal model that thinks every card to be worth 100, and was wrong by so much."""
    model = RelativeJackknife(Same(), confidence_level=0.9)
    for turn in itertools.islice(itertools.cycle((-1, 0, 1)), 300):
        model.learn_one(LISTING, 100.0 * (1 + spread * turn))
    return model


def ask(api: Api, **body: Any) -> Any:
    answer = api.client.post(SIGNAL, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("market_price", "fair_price", "signal", "deviation"),
    [
        (90, 100, "BUY", -0.1),
        (0.9, 1.0, "BUY", -0.1),
        (90.01, 100, "HOLD", -0.0999),
        (100, 100, "HOLD", 0.0),
        (114.99, 100, "HOLD", 0.1499),
        (115, 100, "SELL", 0.15),
        (1.15, 1.0, "SELL", 0.15),
        (300, 100, "SELL", 2.0),
    ],
)
def test_the_rule_alone(api, market_price, fair_price, signal, deviation):
    """The answer to two prices is the signal and the deviation, and nothing else; no model is needed."""
    assert ask(api, market_price=market_price, fair_price=fair_price) == {"signal": signal, "deviation_pct": deviation}


@pytest.mark.parametrize(("market_price", "signal"), [(90, "BUY"), (95, "HOLD"), (115, "SELL")])
def test_by_the_listing_it_is_the_models_fair_price(api, market_price, signal):
    """And the answer tells what predict tells of the model."""
    serve(api, Same())
    body = {**LISTING, "market_price": market_price, "id": "mine"}
    told = ask(api, **body)
    asked = api.client.post("/v1/fair-price/predict", json=body).json()
    assert (told["signal"], told["fair_price"], told["source"], told["id"]) == (signal, 100.0, "model", "mine")
    assert told["deviation_pct"] == round((market_price - 100) / 100, 9)
    assert told["model"].keys() == asked["model"].keys()
    assert "interval" not in told


@pytest.mark.parametrize(("market_price", "signal"), [(85, "BUY"), (120, "SELL")])
def test_with_an_interval_its_near_end_must_pass_too(api, market_price, signal):
    """What is a signal while the model is sure is a HOLD when it is not; the interval is in the answer."""
    for spread, wanted in ((0.02, signal), (0.2, "HOLD")):
        serve(api, unsure(spread))
        told = ask(api, **LISTING, market_price=market_price)
        interval = {
            "low": pytest.approx(100 * (1 - spread)),
            "high": pytest.approx(100 * (1 + spread)),
            "confidence": 0.9,
        }
        assert told["interval"] == interval
        assert told["signal"] == wanted


def test_thresholds_are_settings():
    """Buying at 20 % under and selling at 30 % over."""
    settings = Settings(fair_price=Shares(buy_below=0.2, sell_above=0.3))
    api = Api(more=[FairPrice.configured(settings)])
    signals = [ask(api, market_price=price, fair_price=100)["signal"] for price in (80, 81, 129, 130)]
    assert signals == ["BUY", "HOLD", "HOLD", "SELL"]


def test_without_a_model_a_listing_is_a_503(api):
    """There is no rule for what a card is worth."""
    assert "no model of fair-price is served yet" in api.problem(
        "post", SIGNAL, 503, json={**LISTING, "market_price": 9}
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"fair_price": 100},
            "market_price is missing; wanted market_price with either fair_price or the whole",
        ),
        (
            {"market_price": 90},
            "set, rarity, condition, grade, seller, seller_rating, days_listed missing; wanted",
        ),
        ({**LISTING, "fair_price": 100, "market_price": 90}, "fair_price was sent together with set, rarity"),
        ({"market_price": "90", "fair_price": 100}, "market_price must be a valid number, got '90'"),
        ({"market_price": 90, "fair_price": 0}, "fair_price must be greater than or equal to 0.0001, got 0"),
        ({"market_price": -1, "fair_price": 100}, "market_price must be greater than or equal to 0.0001, got -1"),
        ({"market_price": 90, "fair_price": 100, "price": 1}, "price is not a field of this request"),
        ({**LISTING, "market_price": 90, "rarity": "mythic"}, "rarity must be 'common', 'uncommon'"),
    ],
)
def test_what_is_wrong_with_a_body_is_named(api, body, said):
    """As a problem, in one sentence."""
    assert said in api.problem("post", SIGNAL, 422, json=body)


def test_a_body_that_is_not_json_is_named(api):
    """400."""
    assert "not JSON" in api.problem("post", SIGNAL, 400, content=b"{")


def test_an_api_without_fair_price_says_so():
    """404, as for any use case that is not there."""
    assert "there is no use case 'fair-price'" in Api().problem("post", SIGNAL, 404, json={"market_price": 1})


def test_its_examples_are_answered_as_documented(api):
    """Each body that OpenAPI shows is accepted, and answered with the fields that it shows."""
    serve(api, unsure(0.1))
    operation = api.client.get("/openapi.json").json()["paths"][SIGNAL]["post"]
    bodies = operation["requestBody"]["content"]["application/json"]["examples"]
    answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert bodies.keys() == answers.keys() == {"the rule alone", "a listing"}
    for name, body in bodies.items():
        assert ask(api, **body["value"]).keys() == answers[name]["value"].keys()
    assert ask(api, **bodies["the rule alone"]["value"]) == answers["the rule alone"]["value"]
