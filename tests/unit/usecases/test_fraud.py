"""What a payment looks like beside the customer's others."""

import datetime as dt
import math
from typing import Any

import pytest

from streaming.errors import BadRecord
from streaming.usecase import Answer
from usecases.shop.fraud import Fraud
from usecases.shop.shopper import Shopper

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def payment(after: dt.timedelta = dt.timedelta(0), **changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": "T1",
        "time": NOON + after,
        "customer_id": "K1",
        "merchant_id": "grocery-0-1",
        "category": "grocery",
        "amount": 20.0,
        "currency": "EUR",
        "channel": "store",
        "device_id": "K1-card",
        "latitude": 52.52,
        "longitude": 13.40,
        "account_age_days": 100,
        **changes,
    }


def asked(*payments):
    fraud: Any = Fraud()
    profile = Shopper()
    return [question.x for one in payments for question in fraud.ask(one, profile)]


def test_counts_and_amounts_fade_with_their_span():
    _, x = asked(payment(), payment(dt.timedelta(hours=1), amount=50.0))
    assert x["count_1h"] == pytest.approx(math.exp(-1))
    assert x["count_24h"] == pytest.approx(math.exp(-1 / 24))
    assert x["amount_30d"] == pytest.approx(20 * math.exp(-1 / 720))


def test_a_payment_is_not_part_of_its_own_history():
    (x,) = asked(payment())
    assert x["count_1h"] == x["amount_30d"] == x["distance_km"] == x["speed_kmh"] == 0
    assert x["new_merchant"] == x["new_device"] == 1


def test_distance_and_speed_are_those_from_the_last_place():
    """Berlin to Paris are 878 km on the great circle."""
    _, x = asked(payment(), payment(dt.timedelta(hours=2), latitude=48.8566, longitude=2.3522))
    assert x["distance_km"] == pytest.approx(878, abs=3)
    assert x["speed_kmh"] == pytest.approx(x["distance_km"] / 2)


def test_merchants_and_devices_are_known_from_the_second_time_on():
    _, again, other = asked(payment(), payment(), payment(merchant_id="grocery-0-12", device_id="K1"))
    assert (again["new_merchant"], again["new_device"]) == (0, 0)
    assert (other["new_merchant"], other["new_device"]) == (1, 1)


def test_of_many_merchants_the_last_sixty_are_known():
    visits = [payment(dt.timedelta(minutes=n), merchant_id=f"m{n}") for n in range(61)]
    found = asked(*visits, payment(dt.timedelta(hours=2), merchant_id="m0"), payment(merchant_id="m60"))
    assert [x["new_merchant"] for x in found[-2:]] == [1, 0]


def test_a_payment_that_comes_late_leaves_the_history_whole():
    profile = Shopper()
    profile.update(payment(dt.timedelta(hours=5)))
    profile.update(payment())
    assert profile.counts["1h"] == 2.0
    assert all(value <= 2.0 for value in profile.counts.values())


def test_what_a_request_gives_is_taken_as_it_is_and_the_rest_worked_out():
    profile = Shopper()
    profile.update(payment())
    fraud, later = Fraud(), payment(dt.timedelta(hours=3), device_id="other")
    x = fraud.features(later, profile.view())
    assert fraud.features({**later, "new_device": 0}, profile.view()) == {**x, "new_device": 0}
    assert fraud.features(x, {}) == x


def test_a_request_by_key_without_the_payments_place_is_told_what_is_missing():
    body = payment()
    del body["latitude"]
    with pytest.raises(BadRecord, match=r"latitude is missing: without it .* must be given"):
        Fraud().features(body, {})


def test_a_dispute_answers_by_the_transaction():
    dispute = {"transaction_id": "T9", "time": NOON, "customer_id": "K1"}
    fraud: Any = Fraud()
    assert list(fraud.answer(dispute, Shopper())) == [Answer(id="T9", y=True)]


def test_a_copied_profile_is_its_own():
    profile = Shopper()
    profile.update(payment())
    before, twin = profile.view(), profile.copy()
    twin.update(payment(merchant_id="other", device_id="other"))
    assert profile.view() == before
