"""River's Phishing data with labels on a topic of their own, which come later."""

from river import linear_model, metrics, optim, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Answer, Question, UseCase, on


class Page(TypedDict):
    """One web page."""

    page: str
    second: int
    x: dict[str, float]


class Verdict(TypedDict):
    """What the page turned out to be."""

    page: str
    second: int
    is_phishing: bool


PAGES = Topic("TOPIC.pages", Page, key="page", time="second")
VERDICTS = Topic("TOPIC.verdicts", Verdict, key="page", time="second")


class Delayed(UseCase):
    """Does this page steal passwords? The answer takes a while."""

    topics = [VERDICTS, PAGES]
    metric = metrics.Accuracy
    reported = [metrics.ROCAUC]
    candidates = {
        "logistic": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(0.005)),
        "hoeffding": tree.HoeffdingTreeClassifier,
    }

    @on(PAGES)
    def ask(self, event, profile):
        """A page is seen."""
        yield Question(key=event["page"], x=event["x"], id=event["page"])

    @on(VERDICTS)
    def answer(self, event, profile):
        """Somebody has looked at it."""
        yield Answer(id=event["page"], y=event["is_phishing"])
