"""Loads snapshots off the request path, and swaps them in: one thread for each use case."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from serving.model import Model, Models
from serving.records import Records, Wanted, by_shard
from streaming import metrics, sealed
from streaming.errors import Damaged, HeadraceError, Unavailable
from streaming.snapshots import open_model
from streaming.store import Store
from streaming.usecase import Features, UseCase
from usecases.registry import modules_of

log = structlog.get_logger()

_REST = 9  # times as long as the last load took: loading takes at most a tenth of the time
_AGAIN_S = 1.0
_FROM_THE_START = (
    metrics.SNAPSHOT_SWAPS,
    metrics.SNAPSHOT_LOAD_SECONDS,
    metrics.SNAPSHOT_DELAY,
    metrics.EVENT_SERVED,
)
_REASONS = "damaged", "fails", "library", "missing"


class Refused(HeadraceError):
    """A snapshot that must not be served; `reason` is one word for the counter."""

    def __init__(self, reason: str, sentence: str) -> None:
        """The sentence says why."""
        super().__init__(sentence)
        self.reason = reason


def read_model(store: Store, key: bytes, use_case: UseCase, wanted: Wanted) -> Model:
    """Read, verify and unpickle what is wanted of this use case; `Refused` tells why it must not be served."""
    data = store.get(wanted.object)
    if data is None:
        raise Refused("missing", f"{wanted.object} is not in the store")
    return load_model(data, key, use_case, wanted.object, wanted.snapshot)


def load_model(data: bytes, key: bytes, use_case: UseCase, name: str, snapshot: str | None = None) -> Model:
    """Verify and unpickle; `name` is where the data came from, `snapshot` what it must be, where that is known."""
    try:
        wrote = str(sealed.read_header(data, key)["library_version"])
        if not sealed.same_library(wrote):
            raise Refused("library", f"{name} was written with River {wrote}, this is {sealed.library_version()}")
        modules = modules_of(use_case)
        pointer, model = open_model(data, key, modules, use_case=use_case.name, name=name, snapshot=snapshot)
    except Damaged as error:
        raise Refused("damaged", f"{name}: {error}") from None
    return Model.of(pointer, model, object=name)


class Loader:
    """Keeps the served models of one use case in step with what is wanted."""

    def __init__(
        self,
        use_case: UseCase,
        records: Records,
        models: Models,
        read: Callable[[Wanted], Model],
        sample: Callable[[], Features | None],
        complete: threading.Event,
    ) -> None:
        """`read` gives the model that is wanted, `sample` the inputs of a recent request to warm it with.

        Nothing is loaded before the records are `complete`: what they say on the way there is long replaced.
        """
        self._use_case, self._records, self._models = use_case, records, models
        self._read, self._sample, self._complete = read, sample, complete
        self._refused: dict[str, str] = {}
        for instrument in _FROM_THE_START:
            instrument.labels(use_case.name)  # a rise needs a zero before it
        for reason in _REASONS:
            metrics.SNAPSHOT_REFUSED.labels(use_case.name, reason)
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"load-{use_case.name}", daemon=True)
        self.ready = False
        """What was wanted at the start has been loaded, or refused."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """A newer snapshot may be there: it is loaded after the rest that the last one has cost."""
        self._wake.set()

    def hurry(self) -> None:
        """A person wants another model (a pin): it is loaded at once."""
        self._wake.set()
        self._hurry.set()

    def stop(self, within_s: float = 3.0) -> None:
        """End the thread."""
        self._stop.set()
        self.hurry()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._complete.wait(0.1):
            if self._stop.is_set():
                return
        self._wake.set()
        away = False
        while self._wake.wait() and not self._stop.is_set():
            self._wake.clear()
            self._hurry.clear()
            started = time.thread_time()  # what others cannot use meanwhile; waiting for the store costs nobody
            try:
                self.look()
                if away:
                    log.info("the store is read again", use_case=self._use_case.name)
                away = False
            except Unavailable as error:
                if not away:
                    what = "the store cannot be read, tried again each second"
                    log.warning(what, use_case=self._use_case.name, reason=str(error))
                away = True
                self._hurry.wait(_AGAIN_S)
                self._wake.set()
            finally:
                self.ready = True
            self._hurry.wait(_REST * (time.thread_time() - started))

    def look(self) -> None:
        """Load what is wanted and not served yet."""
        wanted = self._records.wanted(self._use_case.name)
        self._refused = {one.object: self._refused[one.object] for one in wanted if one.object in self._refused}
        for choices in by_shard(wanted).values():
            self._choose(choices)

    def _choose(self, choices: list[Wanted]) -> None:
        """Take the first; where nothing is served yet, pass over those that are gone from the store."""
        for choice in choices:
            served = self._models.get((self._use_case.name, choice.shard))
            if served is not None and not _replaces(choice, served):
                return
            reason = self._refused.get(choice.object) or self._take_up(choice)
            if reason != "missing" or served is not None:
                return

    def _take_up(self, choice: Wanted) -> str | None:
        """Load, warm, swap; tells the reason when it is refused."""
        name, started = self._use_case.name, time.monotonic()
        try:
            model = self._read(choice)
            self._warm(model)
        except Refused as error:
            return self._refuse(choice, error)
        if choice.pinned is not None:
            model = replace(model, pinned=choice.pinned)
        before = self._models.get((name, choice.shard))
        self._models[name, choice.shard] = model
        metrics.SNAPSHOT_SWAPS.labels(name).inc()
        if choice.pinned is None:
            now, written_s = time.time(), model.pointer.written
            metrics.SNAPSHOT_DELAY.labels(name).observe(max(0.0, now - model.taken_s))
            if written_s is not None:
                metrics.EVENT_SERVED.labels(name).observe(max(0.0, now - written_s))
        metrics.SNAPSHOT_LOAD_SECONDS.labels(name).observe(time.monotonic() - started)
        if before is None or before.pinned != choice.pinned:
            facts = {"snapshot": model.pointer.snapshot, "learned": model.pointer.learned, "pinned": choice.pinned}
            log.info("serving", use_case=name, candidate=model.pointer.candidate, **facts)
        return None

    def _refuse(self, choice: Wanted, error: Refused) -> str | None:
        if error.reason == "missing" and choice not in self._records.wanted(self._use_case.name):
            self._wake.set()  # it was replaced meanwhile, and pruned: nothing is wrong
            return None
        self._refused[choice.object] = error.reason
        metrics.SNAPSHOT_REFUSED.labels(self._use_case.name, error.reason).inc()
        log.warning("a snapshot is refused: what is served stays", use_case=self._use_case.name, reason=str(error))
        return error.reason

    def _warm(self, model: Model) -> None:
        """Ask it once: the first request must not be the one to find out that it cannot answer."""
        x = self._sample()
        if x is None:
            return
        try:
            model.ask(x)
        except Exception as error:  # noqa: BLE001  # a user's model may raise anything
            what = f"{type(error).__name__}: {error}"
            raise Refused("fails", f"{model.object} cannot answer a recent request ({what})") from None


def _replaces(choice: Wanted, served: Model) -> bool:
    """Another object; of two snapshots that nobody pinned, only the newer one."""
    if choice.object == served.object:
        return False
    if choice.pinned is not None or served.pinned is not None or choice.order is None:
        return True
    return choice.order > served.pointer.order


def sample_features(use_case: UseCase, status: dict[str, Any] | None) -> Features | None:
    """The inputs of a recent request, as the trainer told them; None when it told none that can be used."""
    for body in (status or {}).get("recent") or ():
        try:
            return use_case.features(body, {})
        except Exception:  # noqa: BLE001, S112  # of another version of the use case, or by key alone: no sample
            continue
    return None
