"""`gateway command`: what was sent to devices, what became of it, and taking it back."""

import asyncio
from typing import Annotated, Any

import aiohttp
import typer

from gateway.cli.administration import show_table
from gateway.cli.app import AsJson, ConfigFile, fail, out, show_json
from gateway.cli.operator import operator
from gateway.errors import GatewayError
from gateway.frames import to_json
from gateway.printable import printable

app = typer.Typer(help="Commands that were sent.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="What `gateway send` printed.")]


@app.command()
def show(command: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Show a command, its state, and its reply if there is one."""
    _show(_asked("GET", f"commands/{command}", config), as_json)


@app.command()
def cancel(command: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Cancel a command that its device has not acknowledged."""
    _show(_asked("DELETE", f"commands/{command}", config), as_json)


@app.command("list")
def list_commands(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """List the commands that wait for a device."""
    found = _asked("GET", f"devices/{device}/commands", config)["commands"]
    if as_json:
        for command in found:
            show_json(command)
        return
    rows = [(each["id"], each["name"], to_json(each["value"]), each["state"]) for each in found]
    columns = ("id", "name", "value", "state")
    show_table(columns, rows, nothing=f"no command waits for {printable(device)}")


def _show(command: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(command)
        return
    what = f"{command['device']}/{command['name']} {to_json(command['value'])}: {command['state']}"
    end = "reply" if "reply" in command else "error" if "error" in command else None
    out.print(printable(what + (f", {to_json(command[end])}" if end else "")), markup=False)


def _asked(method: str, path: str, config: ConfigFile) -> dict[str, Any]:
    try:
        return asyncio.run(_answer(method, path, config))
    except (GatewayError, OSError, aiohttp.ClientError) as error:
        fail(str(error))


async def _answer(method: str, path: str, config: ConfigFile) -> dict[str, Any]:
    async with (
        operator(config) as (url, token, trust),
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
        session.request(method, f"/api/v1/{path}", ssl=trust) as response,
    ):
        answer: dict[str, Any] = await response.json(content_type=None)
        if response.status >= 400:
            fail(str(answer.get("detail", f"the gateway answered {response.status}")))
        return answer
