"""The command line: `gateway COMMAND`."""

from __future__ import annotations

import typer

from gateway.cli import clients, data, devices, init, run, simulate, tokens, users

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
app.command()(init.init)
app.command()(clients.tail)
app.command()(clients.send)
app.command()(data.history)
app.command()(data.backup)
app.command("simulate")(simulate.simulate_devices)
app.add_typer(devices.app, name="device")
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")


def main() -> None:
    """Run the command line."""
    app()
