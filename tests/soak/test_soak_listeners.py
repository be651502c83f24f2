"""The long runs of listeners: two hundred disconnects under steady load, twenty seconds without
reading.
"""

from __future__ import annotations

import asyncio
import random
from itertools import count

import aiohttp
import msgspec
import pytest

from tests.end_to_end.conftest import MqttDevice
from tests.end_to_end.daemon_process import DaemonProcess, daemon
from tests.end_to_end.raw_peers import raw_listener
from tests.end_to_end.reading import files_of_history

pytestmark = pytest.mark.soak

REST = 20.0  # s


async def steady(device: MqttDevice, padding: str = "") -> None:
    """Publish numbers with QoS 1, two hundred a second or as fast as they are acknowledged, until
    cancelled.
    """
    for number in count():
        await device.publish(
            "devices/kitchen/telemetry/load", f'{{"n":{number},"padding":"{padding}"}}'
        )
        await asyncio.sleep(0.005)


async def kitchen(gateway: DaemonProcess) -> MqttDevice:
    """Add a device and connect it."""
    device = MqttDevice("kitchen", await gateway.add("kitchen"), gateway.ports["mqtt"])
    await device.connect()
    return device


async def test_two_hundred_disconnects_under_load(tmp_path):
    """Resumed with `since` each time, every frame comes once, in order."""
    chance = random.Random(3)
    seen: list[int] = []
    async with daemon(tmp_path) as gateway, aiohttp.ClientSession(headers=gateway.headers) as http:
        device = await kitchen(gateway)
        load = asyncio.create_task(steady(device))
        since = 0
        for _ in range(200):
            async with http.ws_connect(f"{gateway.url}/api/v1/ws") as ws:
                await ws.send_json(
                    {"type": "subscribe", "id": 1, "filter": "kitchen/load", "since": since}
                )
                for _ in range(chance.randrange(2, 100)):
                    frame = msgspec.json.decode((await ws.receive(timeout=10)).data)
                    if frame["type"] == "telemetry":
                        seen.append(frame["value"]["n"])
                        since = frame["seq"]
        load.cancel()
        await asyncio.wait([load])
        device.client.disconnect()
        device.client.loop_stop()
    assert seen == list(range(len(seen)))
    assert len(seen) > 5_000


async def test_twenty_seconds_without_reading(tmp_path):
    """A listener that rests under load goes on without a gap, and the process stays flat
    meanwhile.
    """
    async with daemon(tmp_path) as gateway:
        device = await kitchen(gateway)
        load = asyncio.create_task(steady(device, "x" * 20_000))
        await asyncio.sleep(REST / 2)  # until the caches are filled
        async with raw_listener(
            gateway.ports["http"], gateway.token, "kitchen/load", snapshot=False
        ) as listener:
            first = (await listener.message())["value"]["n"]
            before = gateway.memory()
            highest = before
            for _ in range(int(REST)):
                await asyncio.sleep(1)
                highest = max(highest, gateway.memory())
            got = [frame["value"]["n"] for frame in await listener.frames(2_000)]
        load.cancel()
        await asyncio.wait([load])
        device.client.disconnect()
        device.client.loop_stop()
    assert got == list(range(first + 1, first + 2_001))
    assert highest - before < 10_000


async def test_a_hundred_thousand_frames_in_a_file(tmp_path):
    """A long history leaves as a file without being held."""
    async with daemon(tmp_path) as gateway:
        await files_of_history(gateway, 100_000, padding=1_000)
