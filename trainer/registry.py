"""The registered model of a use case: its versions, made once each, and the aliases that move over them."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from streaming import versions
from streaming.errors import HeadraceError
from streaming.snapshots import Pointer
from streaming.usecase import UseCase
from streaming.versions import Version, Versions
from trainer.packaging import pack
from trainer.registration import RegistryFacts, moves, runner_up
from trainer.runs import Runs
from usecases.registry import modules_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel


@dataclass(frozen=True)
class Held:
    """A snapshot that may become a version: the facts of its moment, and its bytes, which the store prunes soon."""

    facts: RegistryFacts
    pointer: Pointer
    sealed: bytes


class Registry:
    """Writes versions of one learner's life; every step finds what an earlier attempt has left, so none is doubled."""

    def __init__(
        self, client: "MlflowClient", use_case: UseCase, name: str, learner: str, check_owner: Callable[[], None]
    ) -> None:
        """`check_owner` raises `Fenced` when another trainer has claimed: then nothing here is ours to move."""
        self.client = client
        self._use_case, self._learner = use_case, learner
        self._check_owner = check_owner
        self._bigger = bool(type(use_case).metric().bigger_is_better)
        self.versions = Versions(client, name)

    def register(self, held: Held, runs: Runs, why: str) -> Version:
        """Make a version of the snapshot, unless there is one; its tags tell why, and how it became champion."""
        found = self.versions.of_object(held.pointer.object, self._learner)
        if found is not None:
            return found
        self._check_owner()
        champion = next(one for one in held.facts.candidates if one.name == held.pointer.candidate)
        run = runs.of(champion, held.facts)
        model = self._upload(held, runs.experiment, run)
        name = self.versions.name
        self._ensure_model(name)
        tags = versions.tags(held.pointer, held.facts.offsets, self._learner, code_version(self._use_case))
        tags["headrace.why"] = why
        if (change := held.facts.change) is not None:
            tags["headrace.change"] = orjson.dumps(change).decode()
        made = self.client.create_model_version(
            name, f"models:/{model.model_id}", run, tags=tags, await_creation_for=0, model_id=model.model_id
        )
        version = versions.read(made)
        if version is None:
            raise HeadraceError(f"MLflow gave version {made.version} of {name} back without its tags")
        return version

    def move_aliases(self, champion: Version, facts: RegistryFacts) -> None:
        """Make this version the champion; nothing happens where it is already."""
        rival = runner_up(facts, champion.candidate, champion.metric, bigger_is_better=self._bigger)
        rivals = self.versions.of_candidate(rival, self._learner) if rival else []
        wanted = moves(self.versions.aliases(), champion.number, rivals, bigger_is_better=self._bigger)
        if wanted:
            self._check_owner()
        for alias, number in wanted.items():
            if number is None:
                self.client.delete_registered_model_alias(self.versions.name, alias)
            else:
                self.client.set_registered_model_alias(self.versions.name, alias, str(number))

    def _upload(self, held: Held, experiment: str, run: str) -> "LoggedModel":
        """MLflow's model with the packed snapshot; one that an earlier attempt has finished is taken."""
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

        client, pointer = self.client, held.pointer
        own = {"headrace.object": pointer.object, "headrace.learner": self._learner}
        where = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in own.items())
        for found in client.search_logged_models([experiment], where):
            if found.status == LoggedModelStatus.READY:
                return found
        model = client.create_logged_model(
            experiment, f"snapshot-{pointer.snapshot}", run, own, {"candidate": pointer.candidate}, "river"
        )
        with tempfile.TemporaryDirectory() as folder:
            packed = pack(Path(folder), held.sealed, self._use_case, held.facts.example, model)
            client.log_model_artifacts(model.model_id, str(packed))
        client.log_outputs(run, [LoggedModelOutput(model.model_id, pointer.learned)])
        known = {pointer.metric: pointer.value, f"rolling_{pointer.metric}": pointer.rolling}
        taken_ms = _milliseconds(pointer.time)
        client.log_batch(
            run,
            [
                Metric(name, value, taken_ms, pointer.learned, model_id=model.model_id, run_id=run)
                for name, value in known.items()
                if value is not None
            ],
        )
        return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(name, description=(type(self._use_case).__doc__ or "").strip())
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def code_version(use_case: UseCase) -> str:
    """The project's version, and a digest of the use case's own sources: they change without a release."""
    files = sorted({module.__file__ for module in modules_of(use_case) if module.__file__})
    digest = sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()
    return f"{installed('headrace')}+{digest[:12]}"


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
