"""A listener misses nothing silently: it comes and goes, rests, or loses its gateway, and has every
frame once.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest

from gateway.listener import Listener
from tests.end_to_end.conftest import MqttDevice, house
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.raw_peers import raw_listener

if TYPE_CHECKING:
    from tests.end_to_end.conftest import House

COUNT = 3_000


async def flood(device: MqttDevice, count: int, pause: float = 0.0) -> None:
    """Publish numbers with QoS 0 as fast as paho takes them, in turns with everything else."""
    for number in range(count):
        device.client.publish("devices/kitchen/telemetry/number", str(number))
        if number % 100 == 0:
            await asyncio.sleep(pause)


async def websocket_part(home: House, since: int, most: int) -> list[tuple[int, int]]:
    """Open a WebSocket, resume, and read so many frames; return (seq, value) of each."""
    got: list[tuple[int, int]] = []
    async with home.http.ws_connect(f"{home.url}/api/v1/ws") as ws:
        await ws.send_json(
            {"type": "subscribe", "id": 1, "filter": "kitchen/number", "since": since}
        )
        while len(got) < most:
            frame = msgspec.json.decode((await ws.receive(timeout=10)).data)
            if frame["type"] == "telemetry":
                got.append((frame["seq"], frame["value"]))
    return got


async def stream_part(home: House, since: int, most: int) -> list[tuple[int, int]]:
    """Open an event stream with `Last-Event-ID`, and read so many frames."""
    got: list[tuple[int, int]] = []
    headers = {"Last-Event-ID": str(since)}
    async with home.http.get(
        f"{home.url}/api/v1/stream?filter=kitchen/number", headers=headers
    ) as response:
        while len(got) < most:
            async with asyncio.timeout(10):
                line = await response.content.readline()
            if line.startswith(b"data: "):
                frame = msgspec.json.decode(line[6:])
                got.append((frame["seq"], frame["value"]))
    return got


async def poll_part(home: House, since: int, most: int) -> list[tuple[int, int]]:
    """Poll once for so many frames at most."""
    page = await home.get("/frames", filter="kitchen/number", after=since, limit=most, wait=10)
    return [(frame["seq"], frame["value"]) for frame in page["frames"]]


@pytest.mark.parametrize(
    ("part", "times"),
    [(websocket_part, 200), (stream_part, 50), (poll_part, 200)],
    ids=["websocket", "sse", "poll"],
)
async def test_a_listener_that_comes_and_goes_has_every_frame_once(tmp_path, part, times):
    """Disconnects at random under load, each resumed after the last frame: every frame once, in
    order.
    """
    chance = random.Random(5)
    async with house(tmp_path) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        flooding = asyncio.create_task(flood(device, COUNT, pause=0.01))
        got: list[tuple[int, int]] = []
        for _ in range(times):
            missing = COUNT - len(got)
            if missing:
                since = got[-1][0] if got else 0
                got += await part(
                    home, since, min(chance.randrange(1, 2 * COUNT // times), missing)
                )
        while len(got) < COUNT:
            got += await part(home, got[-1][0], COUNT - len(got))
        await flooding
    assert [value for _, value in got] == list(range(COUNT))
    seqs = [seq for seq, _ in got]
    assert seqs == sorted(set(seqs))


async def test_a_listener_that_does_not_read_costs_no_memory(tmp_path):
    """A listener rests while 40 MB are sent, then reads on: every frame once, in order; the process
    stays flat.
    """
    blob = "x" * 60_000
    async with daemon(tmp_path) as gateway:
        device = MqttDevice("kitchen", await gateway.add("kitchen"), gateway.ports["mqtt"])
        try:
            await device.connect()

            async def publish(numbers: range) -> None:
                for number in numbers:
                    await device.publish(
                        "devices/kitchen/telemetry/blob", f'{{"n":{number},"blob":"{blob}"}}'
                    )

            await publish(range(-300, 0))  # until SQLite's caches are filled
            async with raw_listener(
                gateway.ports["http"], gateway.token, "kitchen/blob", snapshot=False
            ) as listener:
                before = gateway.memory()
                await publish(range(700))
                grown = gateway.memory() - before
                got = await listener.frames(700)
        finally:
            device.client.disconnect()
            device.client.loop_stop()
    assert [frame["value"]["n"] for frame in got] == list(range(700))
    assert grown < 10_000, f"{grown} KB for 40,000 KB that a listener has not read"


async def test_a_page_of_the_present_gets_the_newest(tmp_path):
    """With mode latest a listener that rested gets the newest value, in order, and far from all of
    them.
    """
    async with house(tmp_path) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        blob = "x" * 20_000
        async with raw_listener(
            home.gateway.ports["http"], home.token, "kitchen/blob", mode="latest"
        ) as listener:
            for number in range(1_000):
                await device.publish(
                    "devices/kitchen/telemetry/blob", f'{{"n":{number},"blob":"{blob}"}}'
                )
            got = [-1]
            async with asyncio.timeout(20):
                while got[-1] < 999:
                    got.append((await listener.message())["value"]["n"])
    assert got == sorted(set(got))
    assert len(got) < 900


async def test_the_listener_library_survives_a_restart(tmp_path):
    """`gateway.listener` goes on where it was after the gateway was killed and started again."""
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):
        await gateway.add("kitchen")
        values: list[int] = []
        async with Listener(
            gateway.url, gateway.token, "kitchen/x", since=0, retry=(0.05, 0.2)
        ) as listener:
            for number in range(20):
                if number == 10:
                    gateway.kill()
                    await gateway.restart()
                async with session.post(
                    f"{gateway.url}/api/v1/devices/kitchen/telemetry/x", data=str(number).encode()
                ) as response:
                    assert response.status == 200
            async with asyncio.timeout(20):
                async for frame in listener:
                    values.append(frame["value"])
                    if len(values) == 20:
                        break
    assert values == list(range(20))
