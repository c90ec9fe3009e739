"""River's Phishing data as a use case in one file: each row has its own event time, the label is in the event."""

from river import linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Page(TypedDict):
    """One web page."""

    page: str
    second: int
    x: dict[str, float]
    is_phishing: bool


PAGES = Topic("TOPIC.pages", Page, key="page", time="second")


class Phishing(UseCase):
    """Does this page steal passwords?"""

    topics = [PAGES]
    metric = metrics.Accuracy
    candidates = {
        "logistic": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(0.005)),
        "hoeffding": tree.HoeffdingTreeClassifier,
    }

    @on(PAGES)
    def see(self, event, profile):
        """Every page comes with its label."""
        yield Example(key=event["page"], x=event["x"], y=event["is_phishing"])
