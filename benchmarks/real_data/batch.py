"""What a batch model gets that may look at four fifths of the data, later rows too: how much learning online costs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import ensemble, metrics, model_selection

from streaming.usecase import Features, Label

_SCORES: dict[str, Callable[[Any, Any], float]] = {
    "MAE": metrics.mean_absolute_error,
    "ROCAUC": metrics.roc_auc_score,
    "F1": metrics.f1_score,
}


def by_batch(rows: list[tuple[Features, Label | None]], inputs: Callable[[Features], Features], metric: str) -> float:
    """The metric of scikit-learn's gradient boosting: five folds, each predicted by a model of the others."""
    xs = np.array([list(inputs(x).values()) for x, _ in rows], dtype=float)
    ys = np.array([y for _, y in rows])
    folds = model_selection.KFold(5, shuffle=True, random_state=0)
    if metric == "MAE":
        model = ensemble.HistGradientBoostingRegressor(loss="absolute_error", random_state=0)
    else:
        model = ensemble.HistGradientBoostingClassifier(random_state=0)
    method = "predict_proba" if metric == "ROCAUC" else "predict"
    said = model_selection.cross_val_predict(model, xs, ys, cv=folds, method=method)
    return float(_SCORES[metric](ys, said[:, 1] if metric == "ROCAUC" else said))
