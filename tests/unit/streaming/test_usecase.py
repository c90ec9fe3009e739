"""What a use case declares."""

import pytest

from streaming.errors import BadRecord
from streaming.usecase import given


def test_a_feature_in_the_request_wins_over_the_view():
    assert given(["a", "b"], {"a": 1}, {"a": 2, "b": 3}) == {"a": 1, "b": 3}


def test_a_feature_that_is_in_neither_is_named():
    with pytest.raises(BadRecord, match=r"^avg_sms is missing"):
        given(["a", "avg_sms"], {"a": 1}, {})
