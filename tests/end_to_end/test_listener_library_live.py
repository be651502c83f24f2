"""`gateway.listener` against a gateway that is killed under load: every stored frame once, in
order.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.device import Device
from gateway.errors import NoReply
from gateway.listener import Listener, ListenerRefused
from tests.end_to_end.conftest import WAIT
from tests.end_to_end.daemon_process import daemon

COUNT = 400


async def stored(url: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Return every frame of the kitchen that history has."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(
            f"{url}/api/v1/frames", params={"filter": "kitchen/#", "after": 0, "limit": 1000}
        ) as response,
    ):
        frames: list[dict[str, Any]] = (await response.json())["frames"]
        return frames


async def test_kill_9_under_load_loses_and_doubles_nothing(tmp_path):
    """A device sends, a listener reads, the gateway is killed twice: what is stored is what the
    listener had.
    """
    got: list[dict[str, Any]] = []
    async with daemon(tmp_path) as gateway:
        key = await gateway.add("kitchen")
        device = Device("kitchen", key, "127.0.0.1", port=gateway.ports["mqtt"], retry=(0.1, 0.2))
        await asyncio.to_thread(device.start)
        listener = Listener(gateway.url, gateway.token, "kitchen/#", since=0, retry=(0.1, 0.2))

        async def listen() -> None:
            async for frame in listener:
                got.append(frame)  # noqa: PERF401 - the test looks at it meanwhile

        listening = asyncio.create_task(listen())
        for number in range(COUNT):
            device.send("n", number)
            if number % 10 == 0:
                await asyncio.sleep(0.01)
            if number in {COUNT // 3, 2 * COUNT // 3}:
                gateway.kill()
                await gateway.restart()
        async with asyncio.timeout(3 * WAIT):
            while device.unsent:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(device.stop)
        async with asyncio.timeout(WAIT):
            while (frames := await stored(gateway.url, gateway.headers))[-1].get(
                "value"
            ) != "offline":
                await asyncio.sleep(0.05)
        async with asyncio.timeout(WAIT):
            while len(got) < len(frames):
                await asyncio.sleep(0.02)
        listening.cancel()
        await asyncio.wait([listening])
    assert got == frames
    assert {frame["value"] for frame in got if frame["channel"] == "n"} == set(range(COUNT))
    assert sum(frame.get("reason") == "restart" for frame in got) == 2


async def test_the_first_are_the_latest(home):
    """Without a cursor: the latest of each channel, then what happens; a wrong token is an
    error.
    """
    device = await home.device("kitchen")
    await device.publish("devices/kitchen/telemetry", '{"a": 1, "b": 2}')
    await device.publish("devices/kitchen/telemetry/a", "3")
    async with (
        asyncio.timeout(WAIT),
        Listener(home.url, home.token, "kitchen/a", "kitchen/b") as listener,
    ):
        frames = aiter(listener)
        first = [await anext(frames) for _ in range(2)]
        assert {(frame["channel"], frame["value"]) for frame in first} == {("a", 3), ("b", 2)}
        await device.publish("devices/kitchen/telemetry/b", "4")
        assert (await anext(frames))["value"] == 4
        with pytest.raises(NoReply):
            await listener.command("kitchen", "led", 1, wait=0.1)
    with pytest.raises(ListenerRefused):
        async for _ in Listener(home.url, "wrong"):
            pass
