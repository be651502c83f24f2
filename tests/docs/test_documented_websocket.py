"""docs/websocket.md: its conversation happens as written, and it names what a client may send."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from gateway.bridges.websocket import requests
from tests.end_to_end.conftest import WAIT, House, house

TEXT = (Path(__file__).parents[2] / "docs" / "websocket.md").read_text("utf-8")
CONVERSATION, STREAM = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
CHANGING = {"epoch", "seq", "ts", "command"}  # and a command's id


async def converse(socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
    """Say what the client says, and compare what the gateway says, but for numbers that differ
    every time.
    """
    for line in CONVERSATION.splitlines():
        who, text = line[0], line[2:].replace('"TOKEN"', json.dumps(token))
        if who == ">":
            await socket.send_str(text)
            continue
        async with asyncio.timeout(WAIT):
            said = await socket.receive_json()
        assert steady(said) == steady(json.loads(text))


def steady(message: dict[str, Any]) -> list[tuple[str, Any]]:
    """A message's fields in order, without the values that differ every time."""
    changing = CHANGING | ({"id"} if "state" in message else set())
    return [(key, None if key in changing else value) for key, value in message.items()]


async def reading(here: House) -> None:
    """Store a reading of the kitchen."""
    series = here.gateway.core.catalog.series("telemetry", "kitchen", "temperature")
    await here.gateway.core.intake.store([(series, 1763673303125, "21.4", "")])


async def test_the_conversation(tmp_path: Path) -> None:
    """Message for message, with the fields in this order."""
    async with house(tmp_path) as here:
        await here.add("kitchen")
        await reading(here)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{here.url}/api/v1/ws") as socket,
        ):
            await converse(socket, here.token)


async def test_the_stream(tmp_path: Path) -> None:
    """The lines of the event stream are of these kinds, in this order."""
    async with house(tmp_path) as here:
        await here.add("kitchen")
        async with here.http.get(
            f"{here.url}/api/v1/stream", params={"filter": "kitchen/temperature"}
        ) as stream:
            await reading(here)
            for expected in STREAM.splitlines():
                async with asyncio.timeout(WAIT):
                    line = (await stream.content.readline()).decode().rstrip("\n")
                assert re.split(r"[ :]", line)[:2] == re.split(r"[ :]", expected)[:2]
                if expected.startswith("event:"):
                    assert line == expected


def test_messages_are_documented() -> None:
    """The table has each message and each of its fields."""
    rows = dict(
        re.findall(r"^\| `(\w+)` \| ((?:`\w+` ?)+) \|", TEXT.split("\n## ")[2], re.MULTILINE)
    )
    said = {name: set(re.findall(r"\w+", fields)) for name, fields in rows.items()}
    forms = [
        requests.Auth,
        requests.Subscribe,
        requests.Unsubscribe,
        requests.Command,
        requests.Ping,
    ]
    known = {
        str(form.__struct_config__.tag): {f.name for f in msgspec.structs.fields(form)}
        for form in forms
    }
    known["auth"] -= {"id"}
    assert said == known
