"""What a payment looks like beside the customer's others."""

import datetime as dt
import time
from datetime import timedelta
from typing import Any

import pytest
from river import naive_bayes

from streaming.errors import BadRecord
from streaming.usecase import Answer
from usecases.shop.fraud import Fraud
from usecases.shop.prior import Prior
from usecases.shop.shopper import Shopper

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def payment(after: timedelta = timedelta(0), **changes: Any) -> dict[str, Any]:
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


def test_counts_and_amounts_are_those_of_the_hour_the_day_and_the_thirty_days_before():
    made = [(timedelta(0), 8.0), (timedelta(days=29), 10.0), (timedelta(days=29, hours=22), 20.0)]
    made += [(timedelta(days=29, hours=23, minutes=30), 30.0), (timedelta(days=30), 40.0)]
    x = asked(*(payment(after, amount=amount) for after, amount in made))[-1]
    assert (x["count_1h"], x["count_24h"], x["count_30d"]) == (1, 2, 3)
    assert (x["amount_1h"], x["amount_24h"], x["amount_30d"]) == (30.0, 50.0, 60.0)


def test_a_moment_without_a_zone_is_utc_whatever_zone_the_machine_is_in(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    bare = [payment(), payment(timedelta(hours=7))]  # over a change of clocks there
    naive = [{**one, "time": one["time"].replace(tzinfo=None)} for one in bare]
    try:
        assert asked(*naive) == asked(*bare)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_hour_is_utc_whatever_zone_the_moment_was_written_in():
    there = dt.timezone(timedelta(hours=5))
    x, same = (asked(one)[0] for one in (payment(), payment(time=NOON.astimezone(there))))
    assert x == same
    assert x["hour"] == 12.0


def test_a_payment_is_not_part_of_its_own_history():
    (x,) = asked(payment())
    assert x["count_1h"] == x["amount_30d"] == x["distance_km"] == x["speed_kmh"] == 0
    assert x["new_merchant"] == x["new_device"] == 1


def test_distance_and_speed_are_those_from_the_last_place():
    """Berlin to Paris are 878 km on the great circle."""
    _, x = asked(payment(), payment(timedelta(hours=2), latitude=48.8566, longitude=2.3522))
    assert x["distance_km"] == pytest.approx(878, abs=3)
    assert x["speed_kmh"] == pytest.approx(x["distance_km"] / 2)


def test_merchants_and_devices_are_known_from_the_second_time_on():
    _, again, other = asked(payment(), payment(), payment(merchant_id="grocery-0-12", device_id="K1"))
    assert (again["new_merchant"], again["new_device"]) == (0, 0)
    assert (other["new_merchant"], other["new_device"]) == (1, 1)


def test_of_many_merchants_the_last_sixty_are_known():
    visits = [payment(timedelta(minutes=n), merchant_id=f"m{n}") for n in range(61)]
    found = asked(*visits, payment(timedelta(hours=2), merchant_id="m0"), payment(merchant_id="m60"))
    assert [x["new_merchant"] for x in found[-2:]] == [1, 0]


def test_a_payment_that_comes_late_leaves_the_history_whole():
    profile = Shopper()
    profile.update(payment(timedelta(hours=5)))
    profile.update(payment())
    assert len(profile.payments) == 2
    assert profile.last == (NOON + timedelta(hours=5)).timestamp()


def test_ids_may_hold_spaces():
    before = payment(merchant_id="corner shop", device_id="my phone")
    _, x = asked(before, payment(merchant_id="shop", device_id="phone"))
    assert (x["new_merchant"], x["new_device"]) == (1, 1)


def test_payments_older_than_thirty_days_are_forgotten():
    profile = Shopper()
    for days in range(100):
        profile.update(payment(timedelta(days=days)))
    assert len(profile.payments) == 30


def test_what_a_request_gives_is_taken_as_it_is_and_the_rest_worked_out():
    profile = Shopper()
    profile.update(payment())
    fraud, later = Fraud(), payment(timedelta(hours=3), device_id="other")
    x = fraud.features(later, profile.view())
    assert fraud.features({**later, "new_device": 0}, profile.view()) == {**x, "new_device": 0}
    assert fraud.features(x, {}) == x


def test_a_request_by_key_without_the_payments_place_is_told_what_is_missing():
    body = payment()
    del body["latitude"]
    with pytest.raises(BadRecord, match=r"latitude is missing: without it .* must be given"):
        Fraud().features(body, {})


def test_until_honest_payments_are_known_a_tree_says_what_is_known_beforehand():
    model = Prior(naive_bayes.GaussianNB(), share=0.02, least=3)
    for at in range(10):
        model.learn_one({"a": float(at)}, y=True)
    assert model.predict_one({"a": 1.0}) is False
    assert model.predict_proba_one({"a": 1.0}) == {False: 0.98, True: 0.02}
    for at in range(3):
        model.learn_one({"a": 100.0 + at}, y=False)
    assert model.predict_one({"a": 1.0}) is True
    assert model.predict_proba_one({"a": 1.0}) == model.classifier.predict_proba_one({"a": 1.0})


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
