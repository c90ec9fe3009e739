"""A learner with one candidate alone, brought to the very offsets of a checkpoint that others have written."""

import time
from collections.abc import Callable
from typing import Any

from streaming.merge import Merge, Place
from streaming.settings import Settings
from streaming.source import Source
from streaming.usecase import UseCase
from trainer.candidates import Candidate
from trainer.join import Join
from trainer.learner import Learner, State
from trainer.stored import Loaded

_LEARN_S = 0.2
_POLL_S = 0.1


def alone(use_case: UseCase, candidate: str, topic_ids: dict[str, str]) -> Loaded:
    """A learner that has heard nothing and has this candidate only."""
    kind = type(use_case)
    return Loaded(State(Join.of(kind), {candidate: Candidate.new(kind, candidate)}), None, {}, topic_ids)


def open_from(offsets: dict[Place, int], settings: Settings, use_case: UseCase, only: int | None) -> Source:
    """A source that can read from these offsets on: Kafka where it still holds them, else the archive as well."""
    options: dict[str, Any] = {"group": f"headrace.{use_case.name}.alone", "reader": use_case.name, "only": only}
    source = Source(settings.kafka, use_case.topics, **options)
    if all(low <= offsets[place] for place, (low, _) in source.bounds(offsets).items()):
        return source
    source.close()
    from streaming.archive_source import ArchiveSource  # most starts need neither Polars nor delta-rs

    return ArchiveSource(settings, settings.kafka, use_case.topics, **options)


def bring_to(
    ends: dict[Place, int],
    learned: Loaded,
    use_case: UseCase,
    source: Source,
    settings: Settings,
    beat: Callable[[], None],
) -> Learner:
    """Learn what comes before `ends`; `beat` is called often, and may raise.

    Offsets and clock of a checkpoint are all that its merge knows. So the merge that goes on from the one checkpoint
    and stops at the offsets of a later one gives out what the trainer's own has given out in between; and in the same
    order, unless some of it came late there.
    """
    lows = source.bounds(ends)
    offsets = {place: learned.offsets.get(place, lows[place][0]) for place in ends}
    merge = Merge(
        use_case.topics, offsets, wait_s=settings.merge_wait_s, read_ahead=settings.read_ahead, clock=learned.clock
    )
    learner = Learner(use_case, learned.state, settings.champion)
    learner.clock = learned.clock or 0
    source.start(merge, ends)
    while not merge.drained:
        beat()
        if not _learn(learner, merge):
            source.poll(_POLL_S)
    learned.clock, learned.offsets = merge.clock, merge.offsets
    return learner


def _learn(learner: Learner, merge: Merge) -> bool:
    """Learn for a while; tells whether there is more without fetching. Dead letters are the trainer's to send."""
    until = time.monotonic() + _LEARN_S
    while (now := time.monotonic()) < until:
        moment = merge.next(now)
        learner.state.counts.dead += len(merge.take_dead())
        if moment is None:
            return False
        learner.process(moment)
    learner.take_touched()  # nobody wants their views
    return True
