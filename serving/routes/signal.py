"""Buy, sell or hold: a market price against the fair price, given or predicted."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from serving.problem import Problem
from serving.reply import reply
from serving.schema import RequestSchema
from serving.state import State
from usecases.cards.events import Price
from usecases.cards.fair_price import FairPrice
from usecases.cards.signal import Thresholds, deviation, signal

Fair = Annotated[Price, Field(description="instead of the card: then the rule alone answers")]
_RULE = {"market_price": 90, "fair_price": 100}
_LISTING = {
    "market_price": 9.5,
    "set": "frontier",
    "rarity": "rare",
    "condition": "near_mint",
    "grade": 9,
    "seller": "private",
    "seller_rating": 4.7,
    "days_listed": 3.5,
    "id": "my-7",
}


def router(state: State) -> APIRouter:
    """The route for those who trade."""
    routes = APIRouter()
    known = state.predictors.get(FairPrice.name)
    schema = RequestSchema(known.use_case, fair_price=Fair) if known else None

    @routes.post(
        "/v1/fair-price/signal",
        summary="Buy, sell or hold",
        tags=["fair-price"],
        openapi_extra=_documented(schema) if schema else None,
    )
    async def trade(request: Request) -> Response:
        """By `market_price` and either `fair_price` or the listing, whose fair price is predicted.

        BUY when the market price is at least 10 % under the fair price, SELL when it is at least 15 % over it (both by
        setting), else HOLD. The end of the interval that is nearer to the market price must pass as well.
        `deviation_pct` is the share of the fair price: -0.1 is 10 % under it.
        """
        predictor = state.predictor(FairPrice.name)
        assert schema is not None  # noqa: S101  # there is a predictor
        assert isinstance(predictor.use_case, FairPrice)  # noqa: S101  # of this name
        body, thresholds = schema.parse(await request.body()), predictor.use_case.thresholds
        _check(body, schema)
        market_price = body["market_price"]
        if "fair_price" in body:
            return reply(_verdict(market_price, body["fair_price"], thresholds))
        return reply(_judged(market_price, await predictor.answer(body), thresholds))

    return routes


def _check(body: dict[str, Any], schema: RequestSchema) -> None:
    """Refuse a body that is neither of the two."""
    listing = ", ".join(name for name in schema.order if name != "market_price")
    wanted = f"wanted market_price with either fair_price or the whole listing ({listing})"
    if "market_price" not in body:
        raise Problem(422, "The request is not valid", f"market_price is missing; {wanted}")
    if "fair_price" in body:
        more = ", ".join(name for name in body if name not in _RULE)
        if more:
            raise Problem(422, "The request is not valid", f"fair_price was sent together with {more}; {wanted}")
        return
    missing = ", ".join(name for name in schema.order if name not in body)
    if missing:
        raise Problem(422, "The request is not valid", f"{missing} missing; {wanted}")


def _judged(market_price: float, answer: dict[str, Any], thresholds: Thresholds) -> dict[str, Any]:
    """The answer of predict, judged."""
    given = answer.get("interval")
    interval = (given["low"], given["high"]) if given else None
    verdict = _verdict(market_price, answer["prediction"], thresholds, interval)
    beside: dict[str, Any] = {name: answer[name] for name in ("interval", "source", "id", "model") if name in answer}
    return {**verdict, "fair_price": answer["prediction"], **beside}


def _verdict(
    market_price: float, fair_price: float, thresholds: Thresholds, interval: tuple[float, float] | None = None
) -> dict[str, Any]:
    """A model may say anything: there is no share of a fair price that is not positive."""
    share = deviation(market_price, fair_price) if fair_price > 0 else None
    return {"signal": signal(market_price, fair_price, thresholds, interval), "deviation_pct": share}


def _documented(schema: RequestSchema) -> dict[str, Any]:
    """Body, answers and refusals for OpenAPI, with examples."""
    rule = {"signal": "BUY", "deviation_pct": -0.1}
    listing: dict[str, Any] = {
        "signal": "HOLD",
        "deviation_pct": -0.14,
        "fair_price": 11.05,
        "interval": {"low": 8.6, "high": 13.9, "confidence": 0.9},
        "source": "model",
        "id": "my-7",
        "model": {"candidate": "bayesian", "snapshot": "1-42", "version": 3, "learned": 8028, "age_seconds": 0.4},
    }
    body = {
        "schema": schema.json_schema(),
        "examples": {"the rule alone": {"value": _RULE}, "a listing": {"value": _LISTING}},
    }
    answers = {"the rule alone": {"value": rule}, "a listing": {"value": listing}}
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {"content": {"application/json": {"examples": answers}}},
            "default": {"description": "What went wrong", "content": {"application/problem+json": problem}},
        },
    }
