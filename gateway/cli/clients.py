"""`gateway tail` and `gateway send`: what a running gateway hears, and something back."""

import asyncio
import sys
from datetime import datetime
from typing import Annotated, Any

import aiohttp
import msgspec
import typer
from rich.text import Text

from gateway.cli.app import REFUSED, AsJson, ConfigFile, fail, out, show_json
from gateway.cli.operator import operator
from gateway.errors import GatewayError
from gateway.frames import to_json
from gateway.listener import Listener
from gateway.printable import printable


def tail(
    topic_filter: Annotated[
        str, typer.Argument(metavar="FILTER", help="device/channel, with + and #.")
    ] = "#",
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Show frames as they come, until interrupted."""
    try:
        asyncio.run(_tail(topic_filter, as_json, config))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(0) from None
    except (GatewayError, OSError, aiohttp.ClientError) as error:
        fail(str(error))


async def _tail(topic_filter: str, as_json: bool, config: ConfigFile) -> None:
    async with (
        operator(config) as (url, token, trust),
        Listener(url, token, topic_filter, tls=trust) as listener,
    ):
        async for frame in listener:
            if as_json:
                show_json(frame)
                sys.stdout.flush()
            else:
                _show(frame)


def _show(frame: dict[str, Any]) -> None:
    if frame["type"] == "gap":
        out.print(
            f"-- frames {frame['from']} to {frame['to']} are no longer in history --",
            style="yellow",
        )
        return
    value = printable(to_json(frame["value"]))
    state = f" {frame['state']}" if "state" in frame else ""
    text = Text.assemble(
        (f"{_clock(frame['ts'])} {frame['seq']:>8} ", "dim"),
        f"{printable(frame['device'])}/",
        (printable(frame["channel"]), "bold"),
        f" {value}" if frame["type"] == "telemetry" else f" {frame['type']}{state} {value}",
    )
    out.print(text)


def _clock(ts: int) -> str:
    """Return a time as a clock here shows it, with the day where it is not today."""
    time = datetime.fromtimestamp(ts / 1000).astimezone()
    today = time.date() == datetime.now().astimezone().date()
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def send(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    name: Annotated[str, typer.Argument(help="The command's name.")],
    value: Annotated[
        str, typer.Argument(help="Parsed as JSON; anything else is sent as a string.")
    ] = "null",
    wait: Annotated[
        float | None, typer.Option(help="Seconds to wait for the reply.", min=0.1, max=60)
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Send a command to a device."""
    try:
        command = asyncio.run(_send(device, name, value, wait, config))
    except asyncio.CancelledError:
        raise typer.Exit(REFUSED) from None
    except (GatewayError, OSError, aiohttp.ClientError) as error:
        fail(str(error))
    if as_json:
        show_json(command)
    elif "reply" in command:
        out.print(printable(to_json(command["reply"])), markup=False)
    else:
        out.print(f"{command['state']}: command {command['id']}", markup=False)


async def _send(
    device: str, name: str, value: str, wait: float | None, config: ConfigFile
) -> dict[str, Any]:
    query = {} if wait is None else {"wait": str(wait)}
    headers = {"Content-Type": "application/json"}
    async with (
        operator(config) as (url, token, trust),
        aiohttp.ClientSession(headers={**headers, "Authorization": f"Bearer {token}"}) as session,
    ):
        path = f"{url}/api/v1/devices/{device}/commands/{name}"
        async with session.post(path, params=query, data=_json(value), ssl=trust) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.status >= 400:
                fail(_refusal(answer, response.status))
            return answer


def _refusal(answer: dict[str, Any], status: int) -> str:
    """Say why there is no reply, and how to ask for it later."""
    why = str(answer.get("detail", f"the gateway answered {status}"))
    return f"{why}: gateway command show {answer['id']}" if "id" in answer else why


def _json(value: str) -> bytes:
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        return to_json(value).encode()
    return value.encode()
