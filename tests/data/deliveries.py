"""Food deliveries (modeldata): how many minutes until the door bell rings?"""

from river import compose, linear_model, metrics, preprocessing, tree
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Answer, Question, UseCase, on


class Order(TypedDict):
    """A request: when, how far, what."""

    order: str
    second: float
    hour: float
    day: str
    distance: float
    items: int


class Arrival(TypedDict):
    """The meal is there."""

    order: str
    second: float
    minutes: float


ORDERS = Topic("TOPIC.orders", Order, key="order", time="second")
ARRIVALS = Topic("TOPIC.arrivals", Arrival, key="order", time="second")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def features(order):
    """Numbers only: River's one-hot encoder orders its columns differently in every process."""
    return {
        "hour": order["hour"],
        "distance": order["distance"],
        "items": order["items"],
        **{name: float(order["day"] == name) for name in DAYS},
    }


class Deliveries(UseCase):
    """How many minutes until the door bell rings?"""

    topics = [ARRIVALS, ORDERS]
    metric = metrics.MAE
    candidates = {
        "linear": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(),
        "tree": lambda: compose.Select("hour", "distance", "items") | tree.HoeffdingTreeRegressor(grace_period=100),
    }

    def features(self, event, view):
        """The order's own numbers."""
        return features(event)

    @on(ORDERS)
    def ask(self, event, profile):
        """An order is placed."""
        yield Question(key=event["order"], x=self.features(event, {}), id=event["order"])

    @on(ARRIVALS)
    def answer(self, event, profile):
        """The order has arrived."""
        yield Answer(id=event["order"], y=event["minutes"])
