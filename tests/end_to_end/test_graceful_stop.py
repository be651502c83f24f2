"""SIGTERM: what has been sent is acknowledged before the goodbye, so that nothing comes twice."""

from __future__ import annotations

import os
import signal

import aiohttp

from gateway.broker.embedded.codec.packets import Disconnect, Puback, Publish
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.reading import frames
from tests.end_to_end.wire_device import WireDevice

IN_FLIGHT = 20
PUBLISHERS = 5


async def test_what_is_stored_is_acknowledged(tmp_path):
    """Every message of senders with twenty in flight that is in history has got its PUBACK."""
    async with daemon(tmp_path) as gateway:
        key = await gateway.add("kitchen")
        port = gateway.ports["mqtt"]
        devices = [
            await WireDevice.connect(port, "kitchen", key, version=5, client_id=f"c{number}")
            for number in range(PUBLISHERS)
        ]
        sent = [iter(range(1, 60_000)) for _ in devices]
        for device, numbers in zip(devices, sent, strict=True):
            send(device, numbers, IN_FLIGHT)
        acknowledged = 0
        for turn in range(101):
            for device, numbers in zip(devices, sent, strict=True):
                assert isinstance(await device.read(), Puback)
                acknowledged += 1
                send(device, numbers, 1)
            if turn == 100:
                os.kill(gateway.pid, signal.SIGTERM)
        for device in devices:
            while isinstance(packet := await device.read(), Puback):
                acknowledged += 1
            assert packet == Disconnect(0x8B)
            device.cut()
        await gateway.ended()
        await gateway.restart()
        async with aiohttp.ClientSession(headers=gateway.headers) as session:
            stored = [
                frame for frame in await frames(session, gateway.url) if frame["channel"] == "x"
            ]
        assert len(stored) == acknowledged


def send(device, numbers, count):
    """Publish so many more."""
    device.write(
        *(
            Publish("devices/kitchen/telemetry/x", b"1", 1, packet_id=next(numbers))
            for _ in range(count)
        )
    )
