"""Presence over real sockets: each way of leaving has its reason, on both engines, and online means
connected now.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from gateway.broker.embedded.codec.packets import Will
from tests.end_to_end.conftest import WAIT, house
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.wire_device import WireDevice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.conftest import House

WILL = Will("devices/kitchen/telemetry/farewell", b"1", qos=1)
TALKER = """
import sys
import paho.mqtt.client as paho
client = paho.Client(paho.CallbackAPIVersion.VERSION2, "kitchen", protocol=paho.MQTTv311)
client.username_pw_set("kitchen", sys.argv[2])
client.will_set("devices/kitchen/telemetry/farewell", "1", qos=1)
client.connect("127.0.0.1", int(sys.argv[1]), keepalive=1)
client.loop_forever()
"""


async def connect(home: House, **options: Any) -> WireDevice:
    """Connect the kitchen."""
    return await WireDevice.connect(
        home.gateway.ports["mqtt"], "kitchen", home.keys["kitchen"], **options
    )


@asynccontextmanager
async def talker(home: House) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a device with a keep-alive of a second in a process of its own; it is killed at the
    end.
    """
    arguments = (str(home.gateway.ports["mqtt"]), home.keys["kitchen"])
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", TALKER, *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def is_status(value: str) -> Any:
    """Return what picks the presence frames of a value."""
    return lambda frame: frame["type"] == "presence" and frame["value"] == value


async def test_a_goodbye_publishes_no_will(home):
    """DISCONNECT: offline, said goodbye, in the session that began."""
    async with home.listen("kitchen/#") as listening:
        device = await connect(home, will=WILL)
        online = await listening.frame()
        device.goodbye()
        offline = await listening.frame()
    assert (online["value"], offline["value"], offline["reason"]) == (
        "online",
        "offline",
        "goodbye",
    )
    assert offline["session"] == online["session"] == 1


async def test_a_lost_connection_publishes_the_will_first(home):
    """A socket that closes without a word: the will, then offline."""
    async with home.listen("kitchen/#") as listening:
        device = await connect(home, will=WILL)
        await listening.frame()
        device.cut()
        will, offline = await listening.frame(), await listening.frame()
    assert (will["channel"], offline["value"], offline["reason"]) == ("farewell", "offline", "lost")


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_process_that_stops_or_dies(home, how):
    """Stopped, its keep-alive runs out in one and a half times that; killed, the connection is lost
    at once.
    """
    async with home.listen("kitchen/#") as listening, talker(home) as process:
        await listening.frame(is_status("online"))
        os.kill(process.pid, how)
        stopped = asyncio.get_running_loop().time()
        will, offline = await listening.frame(), await listening.frame()
        passed = asyncio.get_running_loop().time() - stopped
    assert (will["channel"], offline["value"]) == ("farewell", "offline")
    assert offline["reason"] == ("keep_alive" if how == signal.SIGSTOP else "lost")
    assert passed < 5.0  # 1.5 s at the latest, and a busy machine


async def test_pings_keep_a_device_online(home):
    """A device that sends nothing but pings is online for longer than one and a half times its
    keep-alive.
    """
    async with home.listen("kitchen/status") as listening, talker(home):
        await listening.frame(is_status("online"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await listening.frame()


async def test_a_takeover_then_a_goodbye(home):
    """The same client again: the first connection ends, the device ends up online, and later says
    goodbye.
    """
    async with home.listen("kitchen/status") as listening:
        first = await connect(home)
        await listening.frame(is_status("online"))
        second = await connect(home)
        await first.end()
        latest = await listening.frame(is_status("online"))
        assert latest["session"] == 2
        second.goodbye()
        offline = await listening.frame()
    assert (offline["value"], offline["reason"], offline["session"]) == ("offline", "goodbye", 2)


async def test_a_new_key_cuts_off(home):
    """Whoever holds the old key is offline at once, and is told so."""
    async with home.listen("kitchen/status") as listening:
        device = await connect(home)
        await listening.frame(is_status("online"))
        async with home.http.post(f"{home.url}/api/v1/devices/kitchen/key") as response:
            home.keys["kitchen"] = (await response.json())["key"]
        offline = await listening.frame()
        await device.end()
        assert offline["reason"] == "cut_off"
        (await connect(home)).cut()
        assert (await listening.frame())["value"] == "online"


async def test_a_quick_reconnect_never_ends_offline(home):
    """A hundred connections after and beside each other: the last one stands, and the last frame
    says online.
    """
    devices: list[WireDevice] = []
    for number in range(100):
        devices.append(await connect(home, client_id=f"c{number % 7 % 3}"))
        if number % 3:
            devices[-2].cut() if number % 2 else devices[-2].goodbye()
    for device in devices[:-1]:
        device.cut()
        await device.end()
    async with home.listen() as listening, asyncio.timeout(WAIT):
        while len(home.gateway.core.presence.links("kitchen")) != 1:
            await asyncio.sleep(0.01)
        assert (await home.get("/devices/kitchen"))["online"]
        await listening.socket.send_json(
            {"type": "subscribe", "id": 1, "filter": "kitchen/status", "since": 0}
        )
        frames = [await listening.frame()]
        while frames[-1]["session"] != 100:
            frames.append(await listening.frame())
    assert frames[-1]["value"] == "online"
    sessions = [frame["session"] for frame in frames if frame["value"] == "online"]
    assert sessions == list(range(1, 101))
    devices[-1].cut()


async def test_a_device_that_only_posts(tmp_path):
    """Online for a configured time after its posts, then offline for its silence; connected it
    never is.
    """
    async with house(tmp_path, presence={"http_timeout": "1s"}) as home:
        key = await home.add("kitchen")
        async with home.listen("kitchen/status") as listening, aiohttp.ClientSession() as session:
            for _ in range(2):
                await session.post(
                    f"{home.url}/api/v1/devices/kitchen/telemetry/t",
                    json=21.5,
                    headers={"Authorization": f"Bearer {key}"},
                )
                shown = await home.get("/devices/kitchen")
                assert (shown["online"], shown["connected"]) == (True, False)
                await asyncio.sleep(0.5)
            online, offline = await listening.frame(), await listening.frame()
        assert (online["value"], offline["value"], offline["reason"]) == (
            "online",
            "offline",
            "silent",
        )
        assert (
            offline["ts"] - online["ts"] >= 1_400
        )  # a second after the last post, not after the first


async def test_a_list_tells_connection_sight_and_value_apart(home):
    """`GET /devices`: a device never seen, one that is connected, and one that has gone."""
    (never,) = (await home.get("/devices"))["devices"]
    assert (never["connected"], never["online"], never["last_seen"], never["last_value"]) == (
        False,
        False,
        None,
        None,
    )
    device = await home.device("kitchen")
    await device.publish("devices/kitchen/telemetry", '{"t": 21.5}')
    (here,) = (await home.get("/devices"))["devices"]
    assert (here["connected"], here["online"]) == (True, True)
    assert (here["last_value"]["channel"], here["last_value"]["value"]) == ("t", 21.5)
    async with home.listen("kitchen/status") as listening:
        device.client.disconnect()
        offline = await listening.frame(is_status("offline"))
    (gone,) = (await home.get("/devices"))["devices"]
    assert (gone["connected"], gone["online"], gone["last_value"]) == (
        False,
        False,
        here["last_value"],
    )
    assert abs(gone["last_seen"] - offline["ts"]) < 5_000


async def statuses(session: aiohttp.ClientSession, url: str, count: int) -> list[dict[str, Any]]:
    """Return the kitchen's presence frames once so many are stored."""
    path = f"{url}/api/v1/frames?filter=kitchen/status&after=0"
    async with asyncio.timeout(WAIT):
        while True:
            async with session.get(path) as response:
                frames: list[dict[str, Any]] = (await response.json())["frames"]
            if len(frames) >= count:
                return frames
            await asyncio.sleep(0.02)


async def test_a_restart_marks_everyone_offline_until_they_return(tmp_path):
    """Stopped: offline before it ends. Killed: offline by the restart, once it is back. Sessions go
    on.
    """
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):
        key = await gateway.add("kitchen")
        first = await WireDevice.connect(gateway.ports["mqtt"], "kitchen", key)
        await statuses(session, gateway.url, 1)
        await gateway.stop()
        await gateway.start()
        second = await WireDevice.connect(gateway.ports["mqtt"], "kitchen", key)
        await statuses(session, gateway.url, 3)
        gateway.kill()
        await gateway.restart()
        third = await WireDevice.connect(gateway.ports["mqtt"], "kitchen", key)
        frames = await statuses(session, gateway.url, 5)
        for device in (first, second, third):
            device.cut()
    told = [(frame["value"], frame["session"], frame.get("reason")) for frame in frames]
    assert told == [
        ("online", 1, None),
        ("offline", 1, "stopped"),
        ("online", 2, None),
        ("offline", 2, "restart"),
        ("online", 3, None),
    ]
