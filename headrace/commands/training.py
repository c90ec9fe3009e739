"""`headrace training`: the switch of a use case."""

import enum
import json
from typing import Annotated

import typer


class Wanted(enum.StrEnum):
    """What the switch may be told."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


def command(
    use_case: Annotated[str, typer.Argument(help="A use case.")],
    wanted: Annotated[Wanted, typer.Argument(help="on, off, or status.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn training on or off, or tell what it is; the state survives restarts and holds for every copy."""
    from streaming import control
    from streaming.kafka import ensure_topics
    from streaming.settings import load_settings
    from streaming.topics import CONTROL, STATUS
    from usecases.registry import load_use_cases, pick

    settings = load_settings()
    name = pick(load_use_cases(settings), use_case).name
    ensure_topics(settings.kafka, [CONTROL, STATUS], compacted=True)
    if wanted is not Wanted.STATUS:
        control.set_training(settings.kafka, name, enabled=wanted is Wanted.ON)
    facts = control.training_facts(settings.kafka, name)
    typer.echo(json.dumps(facts) if as_json else control.training_sentence(name, facts))
