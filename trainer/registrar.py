"""The learner's link to MLflow, in a thread of its own: the loop only puts facts down, and never waits."""

import math
import threading
import time
from collections.abc import Callable

import structlog

from streaming.errors import Fenced, HeadraceError
from streaming.failpoints import failpoint
from streaming.settings import Settings
from streaming.store import Store
from streaming.tracking import connect
from streaming.usecase import UseCase
from streaming.versions import Version, in_short, model_name
from trainer.registration import Pace, RegistryFacts, covered, reason
from trainer.registry import Held, Registry
from trainer.runs import Curves, Runs

log = structlog.get_logger()

_EVERY_S = 5.0  # between two visits to MLflow, whether it answers or not


class Registrar:
    """Logs curves and registers versions from the newest facts.

    While MLflow is away, points and the newest covered snapshot wait here; everything else is read from MLflow itself,
    so an attempt that was cut short, or a restart, goes on where it stopped and doubles nothing.
    """

    def __init__(  # the wiring of one trainer, made once by its service
        self,
        settings: Settings,
        use_case: UseCase,
        shard: str,
        learner: str,
        store: Store,
        check_owner: Callable[[], None],
    ) -> None:
        """`learner` is the id of this life, `check_owner` raises `Fenced`. MLflow is asked after a first checkpoint."""
        self._uri = settings.mlflow_tracking_uri or ""
        self._use_case, self._shard, self._learner = use_case, shard, learner
        self._store, self._check_owner = store, check_owner
        self._pace = Pace(settings.register_every_s, settings.register_max_age_s, settings.register_after)
        self._bigger = bool(type(use_case).metric().bigger_is_better)
        self._facts: RegistryFacts | None = None
        self._changed, self._stop = threading.Condition(), False
        self._curves = Curves()
        self._waiting: Held | None = None
        self._ready: Held | None = None
        self._picked_s = 0.0
        self._began_s = time.monotonic()
        self._mlflow: tuple[Runs, Registry] | None = None
        self._last: Version | None = None
        self._away = False
        self.registered = self.failures = 0
        """Versions since the start, and visits that failed."""
        self._fenced = False
        self._thread = threading.Thread(target=self._run, name=f"mlflow-{use_case.name}", daemon=True)

    def start(self) -> None:
        """Begin to look at what is offered."""
        self._thread.start()

    def offer(self, facts: RegistryFacts) -> None:
        """Put down what is known now; facts that nobody has looked at yet are replaced."""
        with self._changed:
            self._facts = facts
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Bring what was offered last to MLflow, if it answers in time."""
        with self._changed:
            self._stop = True
            self._changed.notify()
        self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether it is at work; another trainer's claim ends it."""
        return self._thread.is_alive()

    @property
    def up(self) -> bool:
        """MLflow answered the last visit."""
        return not self._away

    @property
    def pending(self) -> bool:
        """A snapshot is worth a version that is not registered yet."""
        return self._waiting is not None or self._ready is not None

    @property
    def points(self) -> int:
        """Points of the curves that MLflow has not taken yet."""
        return len(self._curves)

    @property
    def runs(self) -> dict[str, tuple[str, str]]:
        """Experiment and run of each candidate, by MLflow's ids."""
        return self._mlflow[0].known if self._mlflow else {}

    def _run(self) -> None:
        newest, unvisited, stop, visit_s = None, False, False, 0.0
        while not (stop or self._fenced):
            facts, stop = self._next(visit_s - time.monotonic() if unvisited else None)
            if facts is not None:
                newest = facts
                if stop:
                    self._began_s = -math.inf  # nothing better comes: this is what there is
                self._choose(newest)
            if newest is None or newest.checkpointed is None:
                continue
            unvisited = unvisited or facts is not None
            if stop or (unvisited and time.monotonic() >= visit_s):
                self._visit(newest, last=stop)
                unvisited, visit_s = self._away, time.monotonic() + _EVERY_S

    def _next(self, timeout_s: float | None) -> tuple[RegistryFacts | None, bool]:
        """What was offered since, and whether it was the last; waits for it, or until it is time for a visit."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._facts is not None, timeout_s)
            facts, self._facts = self._facts, None
            return facts, self._stop

    def _choose(self, facts: RegistryFacts) -> None:
        """Keep a snapshot that is worth a version until a checkpoint covers it."""
        if self._waiting is not None and covered(facts, self._waiting.pointer):
            self._ready, self._waiting = self._waiting, None
        pointer, now = facts.pointer, time.monotonic()
        if self._waiting is not None or pointer is None or self._reason(facts) is None:
            return
        if all(one.name != pointer.candidate for one in facts.candidates):
            return  # it has failed since
        if self._ready is not None and now - self._picked_s < self._pace.every_s:
            return
        try:
            sealed = self._store.get(pointer.object)
        except HeadraceError:
            return  # the store is away: the saver says so
        if sealed is not None:
            self._waiting, self._picked_s = Held(facts, pointer, sealed), now
            if covered(facts, pointer):
                self._ready, self._waiting = self._waiting, None

    def _visit(self, facts: RegistryFacts, *, last: bool) -> None:
        """One attempt at all that is due; whatever goes wrong, the next one begins anew."""
        self._curves.add(facts, time.time())
        try:
            runs, registry = self._mlflow or self._connect(facts)
            self._curves.log(registry.client, runs, facts)
            self._register(runs, registry)
            if last:
                runs.finish()
        except Fenced:
            self._fenced = True
        except Exception as error:  # noqa: BLE001  # MLflow raises many kinds, and none of them may stop us
            self._mlflow = None
            self.failures += 1
            self._tell(error)
        else:
            self._tell(None)

    def _connect(self, facts: RegistryFacts) -> tuple[Runs, Registry]:
        """Find the last version; its aliases may be what an attempt that was cut short did not come to."""
        client, name = connect(self._uri), self._use_case.name
        model = model_name(name, self._shard if type(self._use_case).sharded else None)
        registry = Registry(client, self._use_case, model, self._learner, self._check_owner)
        self._last = registry.versions.newest()
        if self._last is not None and self._last.learner == self._learner:
            registry.move_aliases(self._last, facts)
        self._mlflow = Runs(client, name, self._learner, {"headrace.shard": self._shard}), registry
        return self._mlflow

    def _register(self, runs: Runs, registry: Registry) -> None:
        held = self._ready
        if held is None:
            return
        why = self._reason(held.facts)
        if why is not None:
            with failpoint("register"):
                version = registry.register(held, runs, why)
            with failpoint("move-aliases"):
                registry.move_aliases(version, held.facts)
            self._last = version
            self.registered += 1
            facts = {"version": version.number, "candidate": version.candidate, "rolling": version.rolling}
            log.info("version registered", use_case=self._use_case.name, why=why, **facts)
        self._ready = None

    def _reason(self, facts: RegistryFacts) -> str | None:
        if facts.pointer is None:
            return None
        return reason(
            facts.pointer,
            self._learner,
            self._last,
            now_s=time.time(),
            waited_s=time.monotonic() - self._began_s,
            pace=self._pace,
            bigger_is_better=self._bigger,
        )

    def _tell(self, error: Exception | None) -> None:
        """One line when MLflow goes away, and one when it is back."""
        if error is not None and not self._away:
            reason = in_short(error)
            log.warning("MLflow does not answer: curves and versions wait", use_case=self._use_case.name, reason=reason)
        if error is None and self._away:
            log.info("MLflow answers again", use_case=self._use_case.name)
        self._away = error is not None
