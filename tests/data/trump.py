"""River's TrumpApproval data as a regression in one file."""

from river import linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Poll(TypedDict):
    """One day's polls and the approval that came out."""

    poll: str
    second: int
    x: dict[str, float]
    approval: float


POLLS = Topic("TOPIC.polls", Poll, key="poll", time="second")


class Trump(UseCase):
    """What will the approval be?"""

    topics = [POLLS]
    metric = metrics.MAE
    candidates = {
        "linear": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(),
        "tree": lambda: preprocessing.StandardScaler() | tree.HoeffdingTreeRegressor(),
    }

    @on(POLLS)
    def see(self, event, profile):
        """Every row comes with its label."""
        yield Example(key=event["poll"], x=event["x"], y=event["approval"])
