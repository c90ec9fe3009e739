"""The versions of a registered model: what their tags say, which aliases they have, the snapshots they hold."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from streaming.errors import HeadraceError, Unavailable
from streaming.sealed import library_version
from streaming.snapshots import Pointer
from streaming.tracking import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
SNAPSHOT_FILE = "snapshot.model"
"""The signed object's name inside MLflow's folder `artifacts`."""
_PAGE = 500


@dataclass(frozen=True)
class Version:
    """A registered snapshot."""

    number: int
    object: str
    """What the snapshot was called in the store; it is pruned there before long."""
    snapshot: str
    epoch: int
    learner: str
    candidate: str
    metric: str
    value: float | None
    rolling: float | None
    learned: int
    registered_s: float
    """When, seconds since 1970, by MLflow's clock."""
    run: str
    aliases: tuple[str, ...] = ()
    """Sorted; known where it was read with the others."""


def tags(pointer: Pointer, offsets: Mapping[str, Mapping[str, int]], learner: str, code: str) -> dict[str, str]:
    """What a version tells of its snapshot; a metric that has no value yet has no tag."""
    told = {
        "object": pointer.object,
        "snapshot": pointer.snapshot,
        "epoch": str(pointer.epoch),
        "learned": str(pointer.learned),
        "offsets": orjson.dumps(offsets).decode(),
        "candidate": pointer.candidate,
        "metric": pointer.metric,
        "value": _number(pointer.value),
        "rolling": _number(pointer.rolling),
        "library": f"river {library_version()}",
        "code_version": code,
        "learner": learner,
    }
    return {f"headrace.{name}": value for name, value in told.items() if value is not None}


def best_first(versions: list[Version], *, bigger_is_better: bool) -> list[Version]:
    """By rolling metric; of equal ones the newest, those without a value last."""
    sign = -1 if bigger_is_better else 1
    return sorted(versions, key=lambda v: (v.rolling is None, sign * (v.rolling or 0.0), -v.number))


def read(found: "ModelVersion") -> Version | None:
    """MLflow's version as ours; None when it was registered by hand, or its tags were edited."""
    told = {name.removeprefix("headrace."): value for name, value in found.tags.items()}
    try:
        return Version(
            number=int(found.version),
            object=told["object"],
            snapshot=told["snapshot"],
            epoch=int(told["epoch"]),
            learner=told["learner"],
            candidate=told["candidate"],
            metric=told["metric"],
            value=_value(told.get("value")),
            rolling=_value(told.get("rolling")),
            learned=int(told["learned"]),
            registered_s=found.creation_timestamp / 1000,
            run=found.run_id or "",
        )
    except (KeyError, ValueError):
        return None


class Versions:
    """One registered model, read."""

    def __init__(self, client: "MlflowClient", name: str) -> None:
        """`name` is `model_name(...)`; the model need not exist yet."""
        self._client, self.name = client, name
        self._experiment: str | None = None

    def newest(self) -> Version | None:
        """The one that was registered last; those that others registered by hand do not count."""
        for found in self._search(order="version_number DESC"):
            return found
        return None

    def find(self, number: int) -> Version | None:
        """One of them; None when there is none of this number, or it is not one of ours."""
        from mlflow.exceptions import MlflowException

        try:
            return read(self._client.get_model_version(self.name, str(number)))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def of_object(self, object: str, learner: str) -> Version | None:  # noqa: A002  # the tag's name
        """The one that holds this object of this learner's life."""
        found = self._search(f"tags.`headrace.object` = '{object}' AND tags.`headrace.learner` = '{learner}'")
        return found[0] if found else None

    def of_candidate(self, candidate: str, learner: str) -> list[Version]:
        """The newest of a candidate in this learner's life, a page of them."""
        wanted = f"tags.`headrace.candidate` = '{candidate}' AND tags.`headrace.learner` = '{learner}'"
        return self._search(wanted, order="version_number DESC")

    def all(self) -> list[Version]:
        """Every one, with its aliases."""
        by_number: dict[int, list[str]] = {}
        for alias, number in self.aliases().items():
            by_number.setdefault(number, []).append(alias)
        found, token = [], None
        while True:
            page = self._client.search_model_versions(f"name = '{self.name}'", _PAGE, page_token=token)
            found += [version for one in page if (version := read(one))]
            token = page.token
            if not token:
                return [replace(one, aliases=tuple(sorted(by_number.get(one.number, ())))) for one in found]

    def aliases(self) -> dict[str, int]:
        """Version by alias; none while there is no such model."""
        from mlflow.exceptions import MlflowException

        try:
            found: dict[str, Any] = self._client.get_registered_model(self.name).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: int(number) for alias, number in found.items()}

    def snapshot(self, number: int) -> bytes:
        """The signed snapshot that a version holds; its signature is for who loads it to verify."""
        from mlflow.artifacts import download_artifacts

        # Not as `models:/<name>/<number>`: MLflow would look for that at its global address instead of our client's.
        source = self._client.get_model_version(self.name, str(number)).source or ""
        model = self._client.get_logged_model(source.removeprefix("models:/"))
        where = f"{model.artifact_location}/artifacts/{SNAPSHOT_FILE}"
        with tempfile.TemporaryDirectory() as folder:
            found = download_artifacts(where, dst_path=folder, tracking_uri=self._client.tracking_uri)
            return Path(found).read_bytes()

    def links(self, version: Version) -> dict[str, str]:
        """`version_url` and `run_url`: where MLflow's pages show them."""
        if self._experiment is None:
            found = self._client.get_experiment_by_name(self.name.partition(".")[0])
            self._experiment = str(found.experiment_id) if found else None
        shown = links(self._client.tracking_uri, version, self.name, self._experiment)
        return {f"{what}_url": url for what, url in shown.items()}

    def _search(self, wanted: str = "", order: str = "version_number ASC") -> list[Version]:
        """One page of versions that are ours."""
        where = f"name = '{self.name}'" + (f" AND {wanted}" if wanted else "")
        page = self._client.search_model_versions(where, _PAGE, order_by=[order])
        return [version for one in page if (version := read(one))]


def open_versions(uri: str | None, name: str) -> Versions:
    """The versions of a model at this address; `Unavailable` when MLflow does not answer."""
    if uri is None:
        raise HeadraceError("MLFLOW_TRACKING_URI is not set: there are no registered models to tell of")
    versions = Versions(connect(uri), name)
    try:
        versions.aliases()
    except Exception as error:  # noqa: BLE001  # MLflow lets many kinds through
        raise Unavailable(f"MLflow at {uri} does not answer ({in_short(error)})") from None
    return versions


def model_name(use_case: str, shard: str | None = None) -> str:
    """The registered model of a use case, or of one shard of it."""
    return use_case if shard is None else f"{use_case}.{shard}"


def links(uri: str, version: Version, name: str, experiment: str | None) -> dict[str, str]:
    """Where MLflow's pages show the version and its run."""
    found = {"version": f"{uri.rstrip('/')}/#/models/{name}/versions/{version.number}"}
    if experiment is not None and version.run:
        found["run"] = f"{uri.rstrip('/')}/#/experiments/{experiment}/runs/{version.run}"
    return found


def in_short(error: Exception) -> str:
    """What went wrong, in one line that is not too long: of a connection that failed the reason alone."""
    innermost: BaseException = error
    while (inner := innermost.__cause__ or innermost.__context__) is not None:
        innermost = inner
    told = (innermost.strerror or innermost) if isinstance(innermost, OSError) else error
    text = " ".join(str(told).split())
    return text if len(text) <= 200 else text[:197] + "..."


def _number(value: float | None) -> str | None:
    return None if value is None else repr(value)


def _value(text: str | None) -> float | None:
    return None if text is None else float(text)
