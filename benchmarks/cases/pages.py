"""River's Phishing data over and over: nine numbers, one logistic regression, nothing else to do."""

from collections.abc import Iterator

from river import linear_model, metrics, optim, preprocessing
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Event, Example, UseCase, on


class Page(TypedDict):
    """One web page."""

    page: str
    second: int
    x: dict[str, float]
    is_phishing: bool


PAGES = Topic("bench.pages", Page, key="page", time="second")


class Pages(UseCase):
    """Does this page steal passwords?"""

    topics = (PAGES,)
    metric = metrics.Accuracy
    candidates = {  # declared once, read only
        "logistic": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(0.005))
    }

    @on(PAGES)
    def see(self, event: Event, _profile: None) -> Iterator[Example]:
        """Every page comes with its label."""
        yield Example(event["page"], event["x"], event["is_phishing"])
