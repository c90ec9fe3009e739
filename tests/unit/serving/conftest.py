"""Fixtures of the API's tests."""

import pytest

from streaming.versions import Version
from tests.api import Api


@pytest.fixture
def api():
    """An API that knows nothing yet."""
    return Api()


@pytest.fixture
def version():
    """Makes registered versions: `version(number, object)`."""

    def make(number: int, name: str, rolling: float | None = 0.5) -> Version:
        return Version(
            number=number,
            object=name,
            snapshot="1-1",
            epoch=1,
            learner="l",
            candidate="logistic",
            metric="LogLoss",
            value=0.5,
            rolling=rolling,
            learned=10,
            registered_s=0.0,
            run="r",
            aliases=("champion",),
        )

    return make
