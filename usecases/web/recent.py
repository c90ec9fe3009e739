"""A clusterer that knows its last points, and so can tell what its clusters are like now."""

from collections import deque
from typing import Any

from river import base

from streaming.asking import last_step
from streaming.usecase import Features


class Recent(base.Wrapper[Any], base.Clusterer):
    """Any River clusterer, or a pipeline that ends in one, with the last `size` points that it learned.

    Clusters come, go and change their numbers; what is kept of them by number would be mixed up. The last points,
    asked again, tell at any time how large each cluster is and what sets it apart.
    """

    def __init__(self, clusterer: Any, size: int = 1_000) -> None:
        self.clusterer = clusterer
        self.size = size
        self.points: deque[Features] = deque(maxlen=size)

    def learn_one(self, x: Any) -> None:
        """Teach the clusterer, and keep the point."""
        self.clusterer.learn_one(x)
        self.points.append(x)

    def predict_one(self, x: Any) -> int:
        """The number of the nearest cluster."""
        return int(self.clusterer.predict_one(x))

    def transform_one(self, x: Any) -> Any:
        """The point in the space in which the clusterer measures distances."""
        return self.clusterer.transform_one(x) if hasattr(self.clusterer, "transform_one") else x

    @property
    def _wrapped_model(self) -> Any:
        return self.clusterer

    @property
    def centers(self) -> Any:
        """Where the clusters are in that space, by number."""
        return last_step(self.clusterer).centers
