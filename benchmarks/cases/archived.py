"""A topic to archive, with telecom's usage events; what is learned from it does not matter."""

from river import linear_model, metrics

from streaming.topics import Topic
from streaming.usecase import Event, UseCase, on
from usecases.telecom.events import UsageEvent

ARCHIVED = Topic("bench.archived", UsageEvent, key="customer_id", time="date")


class Archived(UseCase):
    """Learns nothing."""

    topics = [ARCHIVED]
    metric = metrics.MAE
    candidates = {"linear": linear_model.LinearRegression}

    @on(ARCHIVED)
    def learn(self, _event: Event, _profile: object) -> None:
        """Nothing."""
