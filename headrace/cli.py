"""The table of commands; each one lives in its module under `headrace/commands`."""

import importlib
import typing

import typer

app = typer.Typer(
    name="headrace",
    help="Learn online from Kafka streams with River, in production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS = (
    "up",
    "produce",
    "train",
    "serve",
    "archive",
    "new",
    "evaluate",
    "replay",
    "training",
    "watch",
    "models",
    "deadletters",
    "use-cases",
    "config",
    "doctor",
)

for _name in COMMANDS:
    _module = importlib.import_module(f"headrace.commands.{_name.replace('-', '_')}")
    app.command(_name)(typing.cast("typing.Callable[..., None]", _module.command))
