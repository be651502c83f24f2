"""`kill -9`, and what holds afterwards; the long runs are in tests/soak."""

from __future__ import annotations

import asyncio
import contextlib
import random

import aiohttp
import msgspec

from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.kill_load import (
    Publisher,
    command_a_fickle_device,
    kill_under_load,
    looping,
    until,
)
from tests.end_to_end.reading import frames


async def test_nothing_seen_or_acknowledged_is_lost(tmp_path):
    """After kill -9 under load every shown frame and every POST that got 200 is in history, and seq
    goes on above.
    """
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):
        key = await gateway.add("kitchen")
        seen: list[int] = []
        posted: list[int] = []
        async with session.ws_connect(f"{gateway.url}/api/v1/ws") as ws:
            await ws.send_json({"type": "subscribe", "id": 1, "filter": "#", "snapshot": False})
            posting = [
                asyncio.create_task(_post(session, gateway.url, key, posted)) for _ in range(4)
            ]
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
        async with session.post(
            f"{gateway.url}/api/v1/devices/kitchen/telemetry/x", data=b"1"
        ) as response:
            assert (await response.json())["seq"] > max(stored)


async def _post(session: aiohttp.ClientSession, url: str, key: str, posted: list[int]) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        while True:
            async with session.post(
                f"{url}/api/v1/devices/kitchen/telemetry/x", data=b"1"
            ) as response:
                posted.append((await response.json())["seq"])


async def test_qos_1_and_2_survive(tmp_path):
    """No acknowledged message is missing and no QoS 2 message comes twice, in history and at a
    subscriber.
    """
    async with daemon(tmp_path) as gateway:
        await kill_under_load(gateway, 2, random.Random(1))


async def test_commands_survive(tmp_path):
    """Commands to a device that comes and goes arrive in order, and none is delivered without its
    PUBACK.
    """
    async with daemon(tmp_path) as gateway:
        await command_a_fickle_device(gateway, 120, 2, random.Random(2))


async def test_sigterm_under_load(tmp_path):
    """A gateway that is asked to stop ends soon with status 0, and nothing that it acknowledged is
    missing.
    """
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as session,
    ):
        key = await gateway.add("kitchen")
        publisher = Publisher("q1v5", await gateway.add("q1v5"), gateway.ports["mqtt"])
        posted: list[int] = []
        with looping(publisher.client):
            load = [asyncio.create_task(_post(session, gateway.url, key, posted)) for _ in range(4)]
            load.append(asyncio.create_task(publisher.run(wait_for_subscriber=False)))
            await until(lambda: len(posted) > 100 and publisher.acknowledged > 100)
            assert await gateway.stop() == 0
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
        await gateway.start()
        stored = await frames(session, gateway.url)
        assert set(posted) <= {frame["seq"] for frame in stored}
        values = [
            frame["value"]
            for frame in stored
            if frame["device"] == "q1v5" and frame["channel"] == "n"
        ]
        assert set(values) >= set(range(publisher.acknowledged))
