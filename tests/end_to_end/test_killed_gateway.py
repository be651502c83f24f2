"""`kill -9`, and what holds afterwards; the long runs are in tests/soak."""

from __future__ import annotations

import asyncio
import contextlib
import random

import aiohttp
import msgspec

from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.kill_load import command_a_fickle_device, kill_under_load
from tests.end_to_end.reading import frames


async def test_nothing_seen_or_acknowledged_is_lost(tmp_path):
    """After kill -9 under load every shown frame and every POST that got 200 is in history, and seq goes on above."""
    async with daemon(tmp_path) as gateway, aiohttp.ClientSession(headers=gateway.headers) as session:
        key = await gateway.add("kitchen")
        seen: list[int] = []
        posted: list[int] = []
        async with session.ws_connect(f"{gateway.url}/api/v1/ws") as ws:
            await ws.send_json({"type": "subscribe", "id": 1, "filter": "#", "snapshot": False})
            posting = [asyncio.create_task(_post(session, gateway.url, key, posted)) for _ in range(4)]
            while len(seen) < 300:
                frame = msgspec.json.decode((await ws.receive(timeout=10)).data)
                if "device" in frame:
                    seen.append(frame["seq"])
            gateway.kill()
            for task in posting:
                task.cancel()
            await asyncio.gather(*posting, return_exceptions=True)
        await gateway.restart()
        stored = {frame["seq"] for frame in await frames(session, gateway.url)}
        assert set(seen) <= stored
        assert set(posted) <= stored
        async with session.post(f"{gateway.url}/api/v1/devices/kitchen/telemetry/x", data=b"1") as response:
            assert (await response.json())["seq"] > max(stored)


async def _post(session: aiohttp.ClientSession, url: str, key: str, posted: list[int]) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        while True:
            async with session.post(f"{url}/api/v1/devices/kitchen/telemetry/x", data=b"1") as response:
                posted.append((await response.json())["seq"])


async def test_qos_1_and_2_survive(tmp_path):
    """No acknowledged message is missing and no QoS 2 message comes twice, in history and at a subscriber."""
    async with daemon(tmp_path) as gateway:
        await kill_under_load(gateway, 2, random.Random(1))


async def test_commands_survive(tmp_path):
    """Commands to a device that comes and goes arrive in order, and none is delivered without its PUBACK."""
    async with daemon(tmp_path) as gateway:
        await command_a_fickle_device(gateway, 120, 2, random.Random(2))


async def test_sigterm_under_load(tmp_path):
    """A gateway that is asked to stop ends soon with status 0, and nothing that it acknowledged is missing."""
    async with daemon(tmp_path) as gateway, aiohttp.ClientSession(headers=gateway.headers) as session:
        key = await gateway.add("kitchen")
        posted: list[int] = []
        posting = [asyncio.create_task(_post(session, gateway.url, key, posted)) for _ in range(4)]
        async with asyncio.timeout(20):
            while len(posted) < 100:
                await asyncio.sleep(0.01)
        assert await gateway.stop() == 0
        await asyncio.gather(*posting, return_exceptions=True)
        await gateway.start()
        stored = {frame["seq"] for frame in await frames(session, gateway.url)}
        assert set(posted) <= stored
