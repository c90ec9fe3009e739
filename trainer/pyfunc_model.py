"""The registered model as MLflow runs it: "model from code", so MLflow keeps this file instead of a pickled class.

    model = mlflow.pyfunc.load_model("models:/churn@champion")
    model.predict([{...}])     # rows of the use case's request fields, as the API takes them

What was learned is the signed snapshot beside it, verified with HEADRACE_SIGNING_KEY before anything is unpickled.
"""

import math
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from pydantic import TypeAdapter

from streaming.asking import Prediction, asking
from streaming.errors import Damaged
from streaming.sealed import library_version, read_header, same_library
from streaming.settings import load_settings
from streaming.signing import verifying_key
from streaming.snapshots import open_model
from usecases.registry import load_use_cases, modules_of, pick


class SnapshotModel(PythonModel):
    """Answers as the API does: the same features from the same fields, the same call of the same River model."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the snapshot; `Damaged` when it is not what was registered."""
        settings = load_settings()
        with open(context.artifacts["snapshot"], "rb") as file:  # noqa: PTH123  # MLflow gives the path as text
            data = file.read()
        self._use_case = pick(load_use_cases(settings), context.model_config["use_case"])
        key = verifying_key(settings)
        wrote = str(read_header(data, key)["library_version"])
        if not same_library(wrote):
            raise Damaged(f"it was written with River {wrote}, this is {library_version()}")
        _, model = open_model(data, key, modules_of(self._use_case), use_case=self._use_case.name)
        self._ask = asking(model)
        request = type(self._use_case).request
        self._fields: TypeAdapter[dict[str, Any]] | None = TypeAdapter(request) if request else None

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  # MLflow's own signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """`prediction`; for a classifier `probability_<label>` for each label it knows; `interval_low` and `_high`."""
        frame = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        rows = [self._answer(row) for row in frame.to_dict("records")]
        labels = dict.fromkeys(label for row in rows for label in row.probabilities or ())
        columns = {"prediction": [row.value for row in rows]}
        columns |= {f"probability_{at}": [(row.probabilities or {}).get(at, 0.0) for row in rows] for at in labels}
        if any(row.interval for row in rows):
            for at, bound in enumerate(("interval_low", "interval_high")):
                columns[bound] = [row.interval and row.interval[at] for row in rows]
        return pd.DataFrame(columns, index=frame.index)

    def _answer(self, row: dict[Any, Any]) -> Prediction:
        """A field that is empty in this row was left out."""
        body = {name: value for name, value in row.items() if not _is_empty(value)}
        if self._fields is not None:
            body = self._fields.validate_python(body, strict=False)
        return self._ask(self._use_case.features(body, {}))


def _is_empty(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


set_model(SnapshotModel())
