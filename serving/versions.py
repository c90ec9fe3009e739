"""Registered versions as MLflow tells them, and a map from snapshot to version: never on the request path."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from streaming.errors import Unavailable
from streaming.tracking import connect
from streaming.versions import Version, in_short, read
from streaming.versions import Versions as Registered

Found = TypeVar("Found")
log = structlog.get_logger()

_EVERY_S = 3.0
_NEWEST = 10
"""Versions looked at each time: older ones were seen before."""


class Versions:
    """Asks MLflow, each time anew; `Unavailable` when it does not answer."""

    def __init__(self, tracking_uri: str | None, names: Callable[[], Iterable[str]]) -> None:
        """Without a tracking address there are no versions; `names` are those of the registered models to follow."""
        self._uri, self._names = tracking_uri, names
        self._by_object: dict[str, int] = {}
        self._registered: dict[str, Registered] = {}
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
        return self._ask(use_case, lambda registered: registered.all())

    def find(self, use_case: str, number: int) -> Version | None:
        """One version; None when there is none of this number, or it is not one of ours."""
        return self._ask(use_case, lambda registered: registered.find(number))

    def snapshot(self, use_case: str, number: int) -> bytes:
        """The signed snapshot that was registered as this version."""
        return self._ask(use_case, lambda registered: registered.snapshot(number))

    def urls(self, use_case: str, version: Version) -> dict[str, str]:
        """`version_url` and `run_url`: where a person finds both on MLflow's pages."""
        return self._ask(use_case, lambda registered: registered.links(version))

    def _ask(self, use_case: str, question: Callable[[Registered], Found]) -> Found:
        if not self._uri:
            raise Unavailable("MLFLOW_TRACKING_URI is not set: there are no registered versions")
        if use_case not in self._registered:
            self._registered[use_case] = Registered(connect(self._uri), use_case)
        try:
            return question(self._registered[use_case])
        except Exception as error:  # noqa: BLE001  # MLflow lets many kinds through
            raise Unavailable(f"MLflow at {self._uri} does not answer ({in_short(error)})") from None

    def _run(self) -> None:
        away = False
        while not self._stop.wait(_EVERY_S):
            try:
                self._refresh()
                if away:
                    log.info("MLflow answers again")
                away = False
            except Exception as error:  # noqa: BLE001  # as above; the map stays as it is
                if not away:
                    log.warning("MLflow does not answer: versions are not known", reason=in_short(error))
                away = True

    def _refresh(self) -> None:
        client = connect(self._uri or "")
        for name in self._names():
            page = client.search_model_versions(f"name = '{name}'", _NEWEST, order_by=["version_number DESC"])
            for version in filter(None, map(read, page)):
                self._by_object[version.object] = version.number
