"""River's own evaluation of a use case: `progressive_val_score`, with the answers as late as they were."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from river import evaluate

from streaming.codec import to_us
from streaming.usecase import Answer, Event, Features, Label, Question, UseCase


class Row(NamedTuple):
    """A question with its answer; times in microseconds."""

    x: Features
    y: Label | None
    asked: int
    answered: int


def by_river(kind: type[UseCase], factory: Callable[[], Any], rows: list[Row]) -> float:
    """`river.evaluate.progressive_val_score` of a new model, with the labels as late as they were."""
    dataset: Any = [(row.x, row.y) for row in rows]
    times = {id(row.x): row for row in rows}
    if all(row.asked == row.answered for row in rows):
        return float(evaluate.progressive_val_score(dataset, factory(), kind.metric()).get())
    return float(
        evaluate.progressive_val_score(
            dataset,
            factory(),
            kind.metric(),
            moment=lambda x: times[id(x)].asked,
            delay=lambda x, _: times[id(x)].answered - times[id(x)].asked,
        ).get()
    )


class NotEvaluated(Exception):
    """River's evaluation knows no such questions: one answer is for all of a key."""


def answered(use_case: UseCase, events: Iterable[tuple[str, Event]]) -> list[Row]:
    """The questions in the order of asking, each with its answer; those that nobody has answered are left out.

    Of a use case that answers by itself, they are answered once their horizon is over. `NotEvaluated` where one
    answer is for all of a key.
    """
    kind = type(use_case)
    handlers, topics = use_case.handlers(), {topic.name: topic for topic in use_case.topics}
    order = {name: at for at, name in enumerate(topics)}
    heard = sorted(
        ((to_us(e[topics[name].time]), order[name], str(e[topics[name].key]), name, e) for name, e in events),
        key=lambda told: told[:3],
    )
    make: Any = kind.profile
    profiles: dict[str, Any] = {}
    asked: dict[str, tuple[Features, int]] = {}
    answers: dict[str, tuple[Label | None, int]] = {}
    for time, _, key, name, event in heard:
        profile = profiles.setdefault(key, make()) if make else None
        for outcome in (one for handler in handlers[name] for one in handler(use_case, event, profile) or ()):
            if isinstance(outcome, Answer) and outcome.id is None:
                raise NotEvaluated
            id = outcome.id or f"{key}/{time}"
            if not isinstance(outcome, Answer):
                asked[id] = dict(outcome.x), time
            if not isinstance(outcome, Question):
                answers[id] = outcome.y, time
    horizon, last = round(kind.horizon.total_seconds() * 1e6), heard[-1][0]
    rows = []
    for id, (x, time) in asked.items():
        y, when = answers.get(id, (kind.unanswered, time + horizon))
        if id in answers or (y is not None and when < last):
            rows.append(Row(x, y, time, when))
    return rows
