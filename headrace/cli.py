"""The table of commands; each one lives in its module under `headrace/commands`."""

import typer

from headrace.commands import produce

app = typer.Typer(
    name="headrace",
    help="Learn online from Kafka streams with River, in production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("produce")(produce.command)
