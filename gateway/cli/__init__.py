"""The command line: `gateway COMMAND`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import (
    audit,
    clients,
    commands,
    data,
    devices,
    importing,
    init,
    run,
    simulate,
    tokens,
    users,
)
from gateway.cli.app import out


def version(wanted: bool) -> None:
    """Print the version and end, where it is wanted."""
    if wanted:
        out.print(__version__, markup=False)
        raise typer.Exit


def gateway(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=version, help="Print the version.")
    ] = False,
) -> None:
    """Devices over MQTT in; WebSocket, SSE and HTTP out; values back."""


app = typer.Typer(
    name="gateway",
    callback=gateway,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(run.run)
app.command()(run.check)
app.command()(init.init)
app.command()(clients.tail)
app.command()(clients.send)
app.command()(data.history)
app.command()(data.backup)
app.command("import")(importing.import_file)
app.command()(audit.audit)
app.command("simulate")(simulate.simulate_devices)
app.add_typer(commands.app, name="command")
app.add_typer(devices.app, name="device")
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")


def main() -> None:
    """Run the command line."""
    app()
