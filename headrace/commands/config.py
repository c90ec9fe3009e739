"""`headrace config`: the settings in force, secrets masked."""

import json
from typing import Annotated

import typer


def command(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show every setting as the commands see it, from the environment, `.env` and the local stack."""
    from streaming.settings import load_settings, masked

    shown = masked(load_settings())
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        typer.echo(f"{name}={json.dumps(value) if isinstance(value, dict) else '' if value is None else value}")
