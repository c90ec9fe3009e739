"""MLflow on this machine: tracking server and model registry on SQLite, reached on the loopback address only."""

import sys
from collections.abc import Mapping
from pathlib import Path

from headrace.local.ports import LOOPBACK, answers, free_port
from headrace.local.processes import Child
from headrace.local.server import LocalServer

PORT = 5000
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes for evaluating language models: 550 MB
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MALLOC_ARENA_MAX": "2",  # its threads would each keep what they have freed
}


class LocalMLflow(LocalServer):
    """A server with its data below `home` (`mlflow/`, `logs/mlflow.log`), as a context manager or step by step.

    The same home may be started again on another port: artifacts are found through the server, not by its address.
    """

    name = "MLflow"
    start_s = 120.0

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        *,
        artifacts: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`port` None takes any free one.

        `artifacts` is where they are kept instead, such as `s3://bucket/prefix`; `environment` tells how to get there.
        """
        self.home = home
        self.port = port or free_port()
        self._folder = home.absolute() / "mlflow"
        kept = artifacts or (self._folder / "artifacts").as_uri()
        database = f"sqlite:///{self._folder / 'mlflow.db'}"
        self.child = Child(
            "mlflow",
            [sys.executable, "-P", "-m", "headrace.local.mlflow_server", LOOPBACK, str(self.port), database, kept],
            log=home.absolute() / "logs" / "mlflow.log",
            environment={**_ENVIRONMENT, **(environment or {})},
            folder=self._folder,
        )

    @property
    def uri(self) -> str:
        """The address for clients and browsers."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Make the folder that everything is in."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def reachable(self) -> bool:
        """Whether its health route answers."""
        return answers(self.port, "/health")
