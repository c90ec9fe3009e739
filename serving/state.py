"""What the routes share: the parts of one API process, wired once."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request

from serving.model import Models
from serving.outbox import Outbox
from serving.predictor import Predictor
from serving.problem import Problem, busy
from serving.records import Records
from serving.versions import Versions
from streaming.audit import audit_record
from streaming.errors import Unavailable
from streaming.store import Store
from streaming.topics import AUDIT, CONTROL

log = structlog.get_logger()

_STEP_S = 0.02


@dataclass(frozen=True)
class State:
    """The parts."""

    predictors: Mapping[str, Predictor]
    """By use case."""
    records: Records
    models: Models
    outbox: Outbox
    versions: Versions
    store: Store
    key: bytes
    """What snapshots are signed with."""
    ready: Callable[[], bool]

    def require_ready(self) -> None:
        """End a request about the trainers while what they said is not read yet."""
        if not self.ready():
            raise busy("Not ready", "what the trainers have published is not read to its end yet: Kafka is asked")

    async def want(
        self, request: Request, record: tuple[str, bytes | None], what: str, use_case: str, **facts: Any
    ) -> None:
        """Say on `headrace.control` what is wanted, and on `headrace.audit` who wants it; raises `Unavailable`."""
        await self.outbox.send(CONTROL, *record)
        by = f"the API, for {request.client.host}" if request.client else "the API"
        try:
            await self.outbox.send(AUDIT, *audit_record(what, use_case, by, **facts))
        except Unavailable as error:  # it is wanted all the same
            log.warning("a change is not in headrace.audit", use_case=use_case, reason=f"{what} by {by}: {error}")

    def predictor(self, name: str) -> Predictor:
        """The predictor of a use case; unknown names are told which there are."""
        found = self.predictors.get(name)
        if found is None:
            there = ", ".join(sorted(self.predictors))
            raise Problem(404, "Unknown use case", f"there is no use case {name!r}; there are {there}")
        return found


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until it is true; tells whether it became so in time."""
    for _ in range(round(within_s / _STEP_S)):
        if condition():
            return True
        await asyncio.sleep(_STEP_S)
    return condition()
