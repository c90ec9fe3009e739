"""A learner rebuilt from the archive: the trainer's own way, from another source, when no trainer is in the way."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from streaming.archive_source import ArchiveSource
from streaming.errors import HeadraceError, Unavailable
from streaming.kafka import admin, wait_for_kafka
from streaming.monitor import Pulse
from streaming.settings import Settings
from streaming.usecase import UseCase
from trainer.seat import occupied, vacant
from trainer.service import Trainer

_ALONE_S = 10.0  # longer than a session: a copy that was killed just now is gone by then
_LOOK_S = 0.5


def replay(
    settings: Settings,
    use_case: UseCase,
    stop: threading.Event,
    *,
    until_end: bool,
    progress: Callable[[int, int], None],
    begun: Callable[[Pulse], None] = lambda _: None,
) -> dict[str, Any] | None:
    """Learn from nothing what the archive holds, then go on as a trainer does; the summary, if it ever learned.

    `begun` is given the loop's pulse.
    `HeadraceError` while a trainer lives: nothing was written.
    """
    wait_until_alone(settings, use_case.name, stop)
    open_source = partial(ArchiveSource, settings, progress=progress)
    trainer = Trainer(settings, use_case, stop, open_source=open_source, seat_within_s=_ALONE_S)
    begun(trainer.pulse)
    return trainer.run(until_end=until_end, fresh=True)


def wait_until_alone(settings: Settings, use_case: str, stop: threading.Event) -> None:
    """Return when no trainer stands for a seat any more."""
    wait_for_kafka(settings.kafka)
    client, deadline = admin(settings.kafka), time.monotonic() + _ALONE_S
    while not stop.is_set():
        try:
            if vacant(client, use_case):
                return
            problem = HeadraceError(occupied(use_case))
        except Unavailable as error:  # a broker that has just begun knows no groups yet
            problem = error
        if time.monotonic() > deadline:
            raise problem
        stop.wait(_LOOK_S)
