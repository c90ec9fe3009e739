"""The way to MLflow: a client that never holds its caller up for long."""

import logging
import os
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Ours unless the environment says otherwise. MLflow's own retries would go on for minutes: who calls us tries again.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}


def connect(uri: str) -> "MlflowClient":
    """A client of the server at `uri`; nothing is asked yet. Importing MLflow takes two seconds, hence only here."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # What MLflow says of its own code while it is imported is nothing to the reader of our log.
    warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
    from mlflow import MlflowClient

    for name in ("mlflow", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)  # that it is away is said once, by who calls us
    return MlflowClient(uri)
