"""MLflow on this machine: tracking server and model registry on SQLite, reached on the loopback address only."""

import http.client
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.local import processes
from headrace.local.ports import LOOPBACK, free_port
from headrace.local.processes import Child
from streaming.errors import HeadraceError

PORT = 5000
START_S = 120.0
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes for evaluating language models: 550 MB
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MALLOC_ARENA_MAX": "2",  # its threads would each keep what they have freed
}


class LocalMLflow:
    """A server with its data below `home` (`mlflow/`, `logs/mlflow.log`), as a context manager or step by step.

    The same home may be started again on another port: artifacts are found through the server, not by its address.
    """

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

    def start(self) -> None:
        """Start the server and return when it answers."""
        self.prepare()
        self.child.start()
        while not self.answers():
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether clients are answered; an error when the server has ended, or says nothing for too long."""
        if not self.child.alive:
            raise HeadraceError(f"MLflow did not start ({self.child.how_it_ended()}): {self.child.last_words()}")
        if self._is_healthy():
            return True
        if time.monotonic() - self.child.started > START_S:
            raise HeadraceError(f"MLflow did not answer within {START_S:.0f} s: {self.child.last_words()}")
        return False

    def stop(self) -> None:
        """Stop the server in order; `start` brings it back with its data, on the same port."""
        processes.stop([self.child])

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.child.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=1)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
