"""Registered versions as MLflow tells them, and a map from snapshot to version: never on the request path."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from streaming.errors import Unavailable
from streaming.tracking import connect
from streaming.versions import Version, links, read
from streaming.versions import Versions as Registered

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = structlog.get_logger()

_EVERY_S = 3.0
_NEWEST = 10
"""Versions looked at each time: older ones were seen before."""


class Versions:
    """Asks MLflow, each time anew; `Unavailable` when it does not answer."""

    def __init__(self, tracking_uri: str | None, use_cases: Iterable[str]) -> None:
        """Without a tracking address there are no versions."""
        self._uri, self._use_cases = tracking_uri, tuple(use_cases)
        self._by_object: dict[str, int] = {}
        self._experiments: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="versions", daemon=True)

    def start(self) -> None:
        """Begin to refresh the map, if there is an MLflow."""
        if self._uri:
            self._thread.start()

    def stop(self) -> None:
        """End the thread, or leave it behind when it waits for MLflow."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(0.5)

    def of(self, name: str) -> int | None:
        """The version of a snapshot's object, as far as it is known by now."""
        return self._by_object.get(name)

    def all(self, use_case: str) -> list[Version]:
        """Every version of a use case."""
        client = self._client()
        try:
            return Registered(client, use_case).all()
        except Exception as error:  # noqa: BLE001  # MLflow lets many kinds through
            raise self._unavailable(error) from None

    def find(self, use_case: str, number: int) -> Version | None:
        """One version; None when there is none of this number, or it is not one of ours."""
        from mlflow.exceptions import MlflowException

        client = self._client()
        try:
            return read(client.get_model_version(use_case, str(number)))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise self._unavailable(error) from None
        except Exception as error:  # noqa: BLE001  # as above
            raise self._unavailable(error) from None

    def snapshot(self, use_case: str, number: int) -> bytes:
        """The signed snapshot that was registered as this version."""
        client = self._client()
        try:
            return Registered(client, use_case).snapshot(number)
        except Exception as error:  # noqa: BLE001  # as above
            raise self._unavailable(error) from None

    def urls(self, use_case: str, version: Version) -> dict[str, str | None]:
        """Where a person finds the version and its run on MLflow's pages."""
        found: dict[str, str] = {}
        if self._uri and self._uri.startswith("http"):
            found = links(self._uri, version, use_case, self._experiment(use_case))
        return {"version_url": found.get("version"), "run_url": found.get("run")}

    def _experiment(self, use_case: str) -> str | None:
        if use_case not in self._experiments:
            try:
                found = self._client().get_experiment_by_name(use_case)
            except Exception:  # noqa: BLE001  # as above: a link less
                found = None
            if found is None:
                return None
            self._experiments[use_case] = str(found.experiment_id)
        return self._experiments[use_case]

    def _client(self) -> "MlflowClient":
        if not self._uri:
            raise Unavailable("MLFLOW_TRACKING_URI is not set: there are no registered versions")
        return connect(self._uri)

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(f"MLflow at {self._uri} does not answer ({_short(error)})")

    def _run(self) -> None:
        away = False
        while not self._stop.wait(_EVERY_S):
            try:
                self._refresh()
                away = False
            except Exception as error:  # noqa: BLE001  # as above: the map stays as it is
                if not away:
                    log.warning("MLflow does not answer: versions are not known", reason=_short(error))
                away = True

    def _refresh(self) -> None:
        client = self._client()
        for use_case in self._use_cases:
            page = client.search_model_versions(f"name = '{use_case}'", _NEWEST, order_by=["version_number DESC"])
            for version in filter(None, map(read, page)):
                self._by_object[version.object] = version.number


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
