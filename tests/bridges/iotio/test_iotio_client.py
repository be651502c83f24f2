"""The client from PyPI, unchanged, against a whole gateway."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import aiohttp
import pytest
from iotio_client import EndpointConstraint, EndpointInfo, EndpointType

from gateway.bridges.edge import sockets
from gateway.handlers import DeviceType
from tests.end_to_end.conftest import house, running
from tests.rig import until
from tests.seed_peers import WAIT, RealClient


def latest(gateway, device, channel):
    """Return the JSON of the latest telemetry frame of a channel."""
    found = [
        s
        for s in gateway.core.catalog.of_device(device)
        if (s.type, s.channel) == ("telemetry", channel)
    ]
    return found[0].latest if found and found[0].latest else b""


EXAMPLES = Path(__file__).parents[3] / "examples"


async def connected(client, home):
    """Let a client run and return when it is online."""
    async with home.listen("+/status", snapshot=False) as listening:
        client.run(home.gateway.ports["http"])
        await client.next("connect")
        return await listening.frame(lambda frame: frame["value"] == "online")


async def test_the_quickstart(tmp_path, capsys):
    """The seed's quickstart: a client connects, its message comes back, it disconnects; the example
    serves it.
    """
    shutil.copy(EXAMPLES / "iotio_echo_handler.py", tmp_path)
    async with house(tmp_path, handlers={"modules": ["iotio_echo_handler"]}) as home:
        client = RealClient("echo-1", "echo", {"key": await home.add("echo-1", type="echo")})
        client.on("message")
        await connected(client, home)
        await client.send("message", "hello")
        assert await client.next("message") == "hello"
        async with home.listen("echo-1/status", snapshot=False) as listening:
            await client.stop(home.gateway)
            assert (await listening.frame())["value"] == "offline"
        printed = [""]
        await until(
            lambda: printed.append(capsys.readouterr().out) or "Disconnected" in "".join(printed)
        )
    assert (
        "New Echo Client Connected! ID: echo-1\nMessage from Client with ID 'echo-1': hello\n"
        in "".join(printed)
    )


@pytest.mark.parametrize("message", [True, 7, "text", {"a": [1, None]}, ["a", 1.5]])
async def test_events_both_ways(home, client, message):
    """Every kind of message becomes a frame with its value, and comes back from the handler as it
    was.
    """
    client.on("message")
    await connected(client, home)
    async with home.listen("e1/message") as listening:
        await client.send("message", message)
        frame = await listening.frame(lambda frame: frame["type"] == "telemetry")
    assert frame["value"] == message
    found = await client.next("message")
    assert (found, type(found)) == (message, type(message))


async def test_bytes_both_ways(home, client):
    """Bytes are base64 in frames, and bytes for the client."""
    client.on("message")
    await connected(client, home)
    await client.send("message", b"\0\xff")
    assert await client.next("message") == b"\0\xff"
    assert (await home.get("/devices/e1/latest"))["message"]["value"] == {"base64": "AP8="}


async def test_a_reply_on_another_event_is_a_fraction(home, client):
    """`(event, value)` goes out on that event; a fraction, which the protocol lacks, arrives as a
    number.
    """
    client.on("measured")
    await connected(client, home)
    await client.send("measure", 5)
    assert await client.next("measured") == 2.5


async def test_null_and_a_handler_that_raises(home, client):
    """A null arrives as None; a handler that raises costs its event alone."""
    client.on("null")
    client.on("message")
    await connected(client, home)
    await client.send("trouble", "now")
    await client.send("nothing", 1)
    assert await client.next("null") is None
    await client.send("message", "still here")
    assert await client.next("message") == "still here"


async def test_rooms_and_types(home, client):
    """`emit` by room and type reaches every client in it."""
    other = RealClient("e2", "echo", {"key": await home.add("e2", type="echo")})
    try:
        for each in (client, other):
            each.on("news")
            await connected(each, home)
        await until(lambda: len(home.echo.seen) == 2)
        await client.send("everyone", "party")
        assert await client.next("news") == await other.next("news") == "party"
    finally:
        await other.stop(home.gateway)


async def test_commands_are_delivered(home, client):
    """A command from the API arrives as an event, is `delivered` once it was read, and waits for
    who is away.
    """
    client.on("led")
    async with home.http.post(f"{home.url}/api/v1/devices/e1/commands/led", json=1) as response:
        waiting = await response.json()
        assert (response.status, waiting["state"]) == (202, "queued")
    async with home.listen("e1/led") as listening:
        await connected(client, home)
        assert await client.next("led") == 1
        await listening.frame(
            lambda frame: frame.get("state") == "delivered" and frame["id"] == waiting["id"]
        )


ENDPOINTS = [
    ("power", EndpointInfo("Power", EndpointType.BOOLEAN)),
    (
        "level",
        EndpointInfo(
            "Level",
            EndpointType.INTEGER,
            constraints=EndpointConstraint(min_v=0, max_v=10, increment=5),
        ),
    ),
    (
        "mode",
        EndpointInfo(
            "Mode",
            EndpointType.ENUM,
            constraints=EndpointConstraint(values={"a": "auto", "m": "man"}),
        ),
    ),
]


async def test_endpoints(home, client):
    """What a client declares can be set with `POST /api/iot.io`, and nothing else can."""
    url = f"{home.url}/api/iot.io"

    async def set_(**asked):
        async with home.http.post(
            url, json={"clientId": "e1", "endpointId": "level", "data": 5, **asked}
        ) as response:
            return response.status, await response.json()

    assert await set_() == (400, {"success": False, "error": "client_not_connected"})
    for event, info in ENDPOINTS:
        client.on(event, info)
    await connected(client, home)
    assert await set_() == (200, {"success": True})
    assert await client.next("level") == 5
    assert await set_(endpointId="power", data=True) == (200, {"success": True})
    assert await client.next("power") is True
    assert await set_(data=11) == (400, {"success": False, "error": "higher_than_max"})
    assert await set_(data=3) == (400, {"success": False, "error": "invalid_increment"})
    assert await set_(endpointId="mode", data="off") == (
        400,
        {"success": False, "error": "invalid_enum_value"},
    )
    assert await set_(endpointId="other") == (
        400,
        {"success": False, "error": "endpoint_not_defined_by_client"},
    )
    query = {"clientId": "e1", "endpointId": "mode", "data": "auto"}
    async with aiohttp.ClientSession() as stranger, stranger.post(url, params=query) as response:
        assert (response.status, (await response.json())["success"]) == (401, False)
    async with home.http.post(url, params=query) as response:
        assert (response.status, await response.json()) == (200, {"success": True})
    assert await client.next("mode") == "auto"


async def test_a_client_without_endpoints(home, client):
    """A client that declares none is said to have none."""
    await connected(client, home)
    asked = {"clientId": "e1", "endpointId": "level", "data": 5}
    async with home.http.post(f"{home.url}/api/iot.io", json=asked) as response:
        assert (response.status, (await response.json())["error"]) == (
            400,
            "client_endpoints_not_initialized",
        )


@pytest.mark.parametrize(
    ("type_", "key", "word"),
    [("toaster", None, "client_invalid_type"), ("echo", "wrong", "client_invalid_data")],
)
async def test_a_refused_client_gives_up(home, type_, key, word):
    """Wrong type, wrong key: the client is told in a word that it knows, and does not come back for
    ever.
    """
    client = RealClient("e1", type_, {"key": key or home.keys["e1"]})
    client.run(home.gateway.ports["http"])
    assert await client.next("error") == word
    await client.ended()
    assert not home.gateway.core.presence.is_online("e1")


async def test_takeover(home, client):
    """A newer client of the same id takes over: the older is closed, and its end does not count as
    the device's.
    """
    client.on("message")
    await connected(client, home)
    newer = RealClient("e1", "echo", {"key": home.keys["e1"]})
    newer.on("message")
    client.client._IoTClient__fatal_exception = True  # it would take over in its turn
    try:
        async with home.listen("e1/status", snapshot=False) as listening:
            newer.run(home.gateway.ports["http"])
            await client.next("disconnect")
            await client.ended()
            await newer.send("message", "mine")
            assert await newer.next("message") == "mine"
            assert (await listening.frame())["value"] == "online"
        assert [link.protocol for link in home.gateway.core.presence.links("e1")] == ["iotio"]
    finally:
        await newer.stop(home.gateway)


async def test_a_restart_of_the_gateway(tmp_path):
    """When the gateway stops it says goodbye, and the client is there again when it has started."""
    async with house(tmp_path) as home:
        port = home.gateway.ports["http"]
        key = await home.add("e1", type="echo")
        client = RealClient("e1", "echo", {"key": key})
        client.on("message")
        await connected(client, home)
    try:
        await client.next("disconnect")
        async with running(tmp_path, http={"host": "127.0.0.1", "port": port}) as gateway:
            await client.next("connect")
            await client.send("message", "back")
            await until(lambda: b'"back"' in latest(gateway, "e1", "message"))
            await client.stop(gateway)
    finally:
        client.client._IoTClient__fatal_exception = True


async def test_a_handler_that_takes_long(home, client, monkeypatch):
    """A client whose handler works for longer than any listener may be silent is not cut off, and
    goes on.
    """
    monkeypatch.setattr(sockets, "HEARTBEAT", 0.05)
    release = threading.Event()
    client.client.on("work")(lambda message: release.wait(WAIT) and None)
    client.on("message")
    client.run(home.gateway.ports["http"])
    await client.next("connect")
    await until(lambda: home.gateway.core.presence.is_online("e1"))
    await home.gateway.core.commands.send("e1", "work", "1", sender="test")
    async with home.http.ws_connect(f"{home.url}/api/v1/ws", autoping=False) as listener:
        async for _ in listener:
            pass  # until it is cut off, since it answers no ping
    release.set()
    await client.send("message", "still here")
    assert await client.next("message") == "still here"


async def test_what_a_client_says_is_there_for_handlers(home):
    """`client.data` and `client.endpoints`: a handler reads them from the device, also in
    `on_connect`, and they are stored when they change.
    """
    told = asyncio.get_running_loop().create_future()

    class Reader(DeviceType):
        type = "echo"

        def on_connect(self, device):
            told.get_loop().call_soon_threadsafe(told.set_result, (device.data, device.endpoints))

        def on_message(self, message, device):
            return b"\0\xff"

    home.gateway.reactions.handlers.use({"echo": Reader()})
    data = {"key": home.keys["e1"], "firmware": "1.2"}
    for _ in range(2):
        client = RealClient("e1", "echo", dict(data))
        client.on("level", ENDPOINTS[1][1])
        client.on("message")
        await connected(client, home)
        await client.send("message", "bytes please")
        assert await client.next("message") == b"\0\xff"
        await client.stop(home.gateway)
        await until(lambda: not home.gateway.core.presence.is_online("e1"))
        if not told.done() or told.cancelled():
            break
        found, endpoints = await told
        assert found == {"firmware": "1.2"}
        assert [(each["id"], each["constraints"]["max"]) for each in endpoints] == [("level", 10)]
        told = asyncio.get_running_loop().create_future()
    for channel in ("data", "endpoints"):
        frames = (await home.get("/history", device="e1", channel=channel))["frames"]
        assert len(frames) == 1
