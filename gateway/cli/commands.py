"""`gateway command`: what became of something that was sent to a device."""

import asyncio
from typing import Annotated, Any

import aiohttp
import typer

from gateway.cli.app import AsJson, ConfigFile, fail, out, show_json
from gateway.cli.operator import operator
from gateway.errors import GatewayError
from gateway.frames import to_json
from gateway.printable import printable

app = typer.Typer(help="Commands that were sent.", no_args_is_help=True)


@app.command()
def show(
    command: Annotated[str, typer.Argument(metavar="ID", help="What `gateway send` printed.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Show a command, its state, and its reply if there is one."""
    try:
        found = asyncio.run(_found(command, config))
    except (GatewayError, OSError, aiohttp.ClientError) as error:
        fail(str(error))
    if as_json:
        show_json(found)
        return
    what = f"{found['device']}/{found['name']} {to_json(found['value'])}: {found['state']}"
    end = "reply" if "reply" in found else "error" if "error" in found else None
    out.print(printable(what + (f", {to_json(found[end])}" if end else "")), markup=False)


async def _found(command: str, config: ConfigFile) -> dict[str, Any]:
    async with (
        operator(config) as (url, token, trust),
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(f"/api/v1/commands/{command}", ssl=trust) as response,
    ):
        answer: dict[str, Any] = await response.json(content_type=None)
        if response.status >= 400:
            fail(str(answer.get("detail", f"the gateway answered {response.status}")))
        return answer
