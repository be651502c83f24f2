"""`gateway.device` against a running gateway: refusals, TLS, and readings kept while the gateway is
away.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme

from gateway.device import Device, DeviceRefused
from tests.end_to_end.conftest import WAIT, house
from tests.end_to_end.daemon_process import ROOT, daemon

if TYPE_CHECKING:
    from tests.end_to_end.daemon_process import DaemonProcess

SCRIPT = """
import sys
from gateway.device import Device

port, key, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with Device("kitchen", key, "127.0.0.1", port=port, path=path, retry=(0.1, 0.2)) as device:
    for number in range(5):
        device.send("n", number, ts=1_700_000_000_000 + number)
    device.stop(flush=0.0)
"""


def kitchen(port: int, key: str, **options: Any) -> Device:
    """Return the kitchen's device, which tries again soon."""
    return Device("kitchen", key, "127.0.0.1", port=port, retry=(0.1, 0.2), **options)


async def sending(device: Device) -> None:
    """Send until that is refused."""
    while True:
        device.send("n", 1)
        await asyncio.sleep(0.05)


async def history(gateway: DaemonProcess, count: int) -> list[dict[str, Any]]:
    """Return the frames of kitchen/n once there are so many."""
    query = {"device": "kitchen", "channel": "n", "order": "asc"}
    async with aiohttp.ClientSession(headers=gateway.headers) as session, asyncio.timeout(2 * WAIT):
        while True:
            async with session.get(f"{gateway.url}/api/v1/history", params=query) as response:
                frames: list[dict[str, Any]] = (await response.json())["frames"]
            if len(frames) >= count:
                return frames
            await asyncio.sleep(0.05)


async def test_commands_and_readings(home):
    """Both engines: a reading with its time, a command to its handler, the reply to who asked."""
    device = kitchen(home.gateway.ports["mqtt"], home.keys["kitchen"])

    @device.on("add")
    def add(value: list[int]) -> int:
        return sum(value)

    await asyncio.to_thread(device.start)
    try:
        device.send({"t": 21.5, "h": 40}, ts=1_700_000_000_000)
        async with home.http.post(
            f"{home.url}/api/v1/devices/kitchen/commands/add?wait=10", json=[1, 2]
        ) as response:
            assert (await response.json())["reply"] == 3
        async with asyncio.timeout(WAIT):
            while device.unsent:
                await asyncio.sleep(0.01)
        latest = await home.get("/devices/kitchen/latest")
        assert (latest["t"]["value"], latest["t"]["ts"], latest["h"]["value"]) == (
            21.5,
            1_700_000_000_000,
            40,
        )
    finally:
        await asyncio.to_thread(device.stop)
    async with asyncio.timeout(WAIT):
        while (await home.get("/devices/kitchen"))["online"]:
            await asyncio.sleep(0.01)


async def test_a_wrong_key_and_a_key_of_before(home):
    """DeviceRefused, at the start and while it runs, and no more attempts."""
    port = home.gateway.ports["mqtt"]
    with pytest.raises(DeviceRefused, match="refused device 'kitchen'"):
        await asyncio.to_thread(kitchen(port, "wrong").start)
    device = kitchen(port, home.keys["kitchen"])
    await asyncio.to_thread(device.start)
    async with home.http.post(f"{home.url}/api/v1/devices/kitchen/key") as response:
        assert response.status in {200, 201}
    with pytest.raises(DeviceRefused):
        await asyncio.wait_for(sending(device), WAIT)


async def test_tls(tmp_path):
    """Over TLS with a certificate authority of one's own; what was sent before the goodbye is
    stored.
    """
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("cert", "key", "ca")}
    certificate.cert_chain_pems[0].write_to_path(files["cert"])
    certificate.private_key_pem.write_to_path(files["key"])
    authority.cert_pem.write_to_path(files["ca"])
    tls = {"cert": str(files["cert"]), "key": str(files["key"]), "port": 0}
    async with house(tmp_path, mqtt={"host": "127.0.0.1", "port": 0, "tls": tls}) as home:
        key, port = await home.add("kitchen"), home.gateway.ports["mqtts"]
        device = kitchen(port, key, ca_file=files["ca"])
        await asyncio.to_thread(device.start)
        assert device.connected
        device.send("n", 1)
        await asyncio.to_thread(device.stop)
        assert (await home.get("/devices/kitchen/latest"))["n"]["value"] == 1


async def test_readings_survive_the_gateway_and_the_script(tmp_path):
    """Made while the gateway is dead, by a script that ended: they arrive with their times, in
    order, once.
    """
    async with daemon(tmp_path) as gateway:
        key = await gateway.add("kitchen")
        path = tmp_path / "unsent.db"
        gateway.kill()
        await gateway.ended()
        script = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SCRIPT, str(gateway.ports["mqtt"]), key, str(path),
            env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await asyncio.wait_for(script.wait(), 30) == 0
        device = kitchen(gateway.ports["mqtt"], key, path=path)
        assert device.unsent == 5
        await asyncio.to_thread(device.start)
        device.send("n", 5)
        made = time.time_ns() // 1_000_000
        await gateway.start()
        frames = await history(gateway, 6)
        await asyncio.to_thread(device.stop)
    assert [frame["value"] for frame in frames] == list(range(6))
    assert [frame["ts"] for frame in frames[:5]] == [
        1_700_000_000_000 + number for number in range(5)
    ]
    assert abs(frames[5]["ts"] - made) < 1_000
    assert frames[5]["received"] > made
