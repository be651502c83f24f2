"""The command line: `gateway COMMAND`."""

from __future__ import annotations

import typer

from gateway.cli import run

app = typer.Typer(
    name="gateway",
    help="Devices over MQTT in; WebSocket, SSE and HTTP out; values back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(run.run)
app.command()(run.check)


def main() -> None:
    """Run the command line."""
    app()
