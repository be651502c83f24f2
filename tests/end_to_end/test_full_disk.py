"""A disk that refuses: nothing is acknowledged, devices are slowed, the gateway says so, and goes
on by itself.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import paho.mqtt.client as paho
import pytest

from tests.end_to_end.conftest import MqttDevice
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.raw_peers import connect_packet, publish_packet
from tests.end_to_end.reading import frames, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.end_to_end.daemon_process import DaemonProcess

BEFORE, MEANWHILE = 50, 150  # messages of each device


class Counting:
    """A device that publishes numbers with QoS 1 and counts the PUBACKs."""

    def __init__(self, device: MqttDevice) -> None:
        self.device = device
        self.acknowledged = 0
        self.changed = asyncio.Event()
        device.client.on_publish = lambda *_: device.loop.call_soon_threadsafe(self._count)

    def _count(self) -> None:
        self.acknowledged += 1
        self.changed.set()

    def publish(self, numbers: range) -> None:
        for number in numbers:
            self.device.client.publish(
                f"devices/{self.device.name}/telemetry/n", str(number), qos=1
            )

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(20):
            while self.acknowledged < count:
                self.changed.clear()
                await self.changed.wait()


@contextmanager
def counting(
    gateway: DaemonProcess, keys: dict[str, str], protocol: int
) -> Iterator[list[MqttDevice]]:
    """Make a paho client for each device; end them all."""
    made = [
        MqttDevice(name, key, gateway.ports["mqtt"], protocol=protocol)
        for name, key in keys.items()
    ]
    try:
        yield made
    finally:
        for device in made:
            device.client.disconnect()
            device.client.loop_stop()


@contextmanager
def _forbidden(
    _: Path,
) -> Iterator[tuple[Callable[[DaemonProcess], None], Callable[[DaemonProcess], None]]]:
    """The kernel lets the process write to no file: how any platform test can fill a disk."""
    yield (
        lambda gateway: gateway.limit_files(0),
        lambda gateway: gateway.limit_files(resource.RLIM_INFINITY),
    )


@contextmanager
def _small(
    directory: Path,
) -> Iterator[tuple[Callable[[DaemonProcess], None], Callable[[DaemonProcess], None]]]:
    """A file system of a few megabytes, and a file that fills it."""
    data = directory / "data"
    data.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(data)]
    if (
        os.geteuid()
        or subprocess.run(mounting, check=False, capture_output=True, timeout=10).returncode
    ):
        pytest.skip("file systems cannot be mounted here")
    filler = data / "filler"

    def fill(_: DaemonProcess) -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    try:
        yield fill, lambda _: filler.unlink()
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True, timeout=10)


@pytest.mark.parametrize(
    ("disk", "engine"), [(_forbidden, "embedded"), (_forbidden, "amqtt"), (_small, "embedded")]
)
async def test_full_disk(tmp_path, disk, engine):
    """While nothing can be written nothing is acknowledged; with room again each message is stored
    once, in order.
    """
    with disk(tmp_path) as (fill, free):
        async with (
            daemon(tmp_path, f'[broker]\nengine = "{engine}"\n') as gateway,
            aiohttp.ClientSession(headers=gateway.headers) as http,
        ):
            keys = {name: await gateway.add(name) for name in ("kitchen", "hall")}
            await gateway.add("web")
            post = f"{gateway.url}/api/v1/devices/web/telemetry/n"
            with counting(
                gateway, keys, paho.MQTTv311 if engine == "amqtt" else paho.MQTTv5
            ) as devices:
                for device in devices:
                    await device.connect()
                counts = [Counting(device) for device in devices]
                for count in counts:
                    count.publish(range(BEFORE))
                    await count.reach(BEFORE)

                fill(gateway)
                async with http.post(post, data=b"0") as response:  # the one that finds out
                    assert response.status == 503, await response.text()
                for count in counts:
                    count.publish(range(BEFORE, BEFORE + MEANWHILE))
                reasons = await ready(http, gateway.url, 503)
                assert any("stor" in reason for reason in reasons), reasons
                async with http.get(f"{gateway.url}/healthz") as response:
                    assert response.status == 200
                for _ in range(3):
                    async with http.post(post, data=b"1") as response:
                        assert response.status == 503, await response.text()
                        assert int(response.headers["Retry-After"]) >= 1
                        assert (await response.json())["code"] == "unavailable"
                assert len(await frames(http, gateway.url, filter="+/n")) == 2 * BEFORE
                assert [count.acknowledged for count in counts] == [BEFORE, BEFORE]

                free(gateway)
                await ready(http, gateway.url, 200)
                for count in counts:
                    await count.reach(BEFORE + MEANWHILE)
                async with http.post(post, data=b"2") as response:
                    assert response.status == 200
                    last = (await response.json())["seq"]
            stored = await frames(http, gateway.url, filter="+/n")
        for name in keys:
            assert [f["value"] for f in stored if f["device"] == name] == list(
                range(BEFORE + MEANWHILE)
            )
        assert stored[-1]["seq"] == last


async def test_a_flood_while_the_disk_refuses(tmp_path):
    """A device that goes on sending is not read any more: memory stays flat; it is heard again
    afterwards.
    """
    async with (
        daemon(tmp_path) as gateway,
        aiohttp.ClientSession(headers=gateway.headers) as http,
    ):
        key = await gateway.add("kitchen")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["mqtt"])
        try:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            writer.write(connect_packet("kitchen", key, keep_alive=1))
            assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
            gateway.limit_files(0)
            sent = 0
            message = publish_packet("devices/kitchen/telemetry/blob", b'"' + b"x" * 10_000 + b'"')
            try:
                while sent < 10_000:
                    writer.write(message)
                    async with asyncio.timeout(2):  # longer than 1.5 times the keep-alive
                        await writer.drain()
                    sent += 1
            except TimeoutError:
                held = gateway.memory()
            assert 1_000 < sent < 4_000, sent
            await ready(http, gateway.url, 503)
            assert gateway.memory() - held < 2_000
            gateway.limit_files(resource.RLIM_INFINITY)
            await ready(http, gateway.url, 200)
            async with asyncio.timeout(20):
                await writer.drain()
                while len(await frames(http, gateway.url, filter="kitchen/blob")) < sent:
                    writer.write(b"\xc0\x00")
                    assert await reader.readexactly(2) == b"\xd0\x00"
            presence = await frames(http, gateway.url, filter="kitchen/status")
            assert [frame["value"] for frame in presence] == ["online"]
        finally:
            writer.transport.abort()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
