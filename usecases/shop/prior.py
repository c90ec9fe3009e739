"""A classifier that keeps to the share it was told of until it has heard enough of the common answer."""

from typing import Any

from river import base

from streaming.usecase import Features


class Prior(base.Wrapper[Any], base.Classifier):
    """Says `share` for True until the classifier inside has been taught False `least` times.

    Where True is rare and known within days, but False only when a horizon is over, the first answers are all True: a
    model that has heard nothing else would say True to everything.
    """

    def __init__(self, classifier: Any, share: float = 0.02, least: int = 100) -> None:
        self.classifier = classifier
        self.share = share
        self.least = least
        self.heard = 0

    @property
    def _wrapped_model(self) -> Any:
        return self.classifier

    def learn_one(self, x: Any, y: Any) -> None:
        """Teach the classifier; that it is not asked yet does not keep it from learning."""
        self.heard += not y
        self.classifier.learn_one(x, y)

    def predict_proba_one(self, x: Features) -> dict[Any, float]:  # type: ignore[override]  # River's names are of any type
        """What the classifier says, or what is known beforehand."""
        if self.heard < self.least:
            return {False: 1 - self.share, True: self.share}
        said: dict[Any, float] = self.classifier.predict_proba_one(x)
        return said
