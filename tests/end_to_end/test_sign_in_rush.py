"""A thousand devices that come back at once, as after a power cut: all are let in, and nobody else
waits for it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest
from daemon_process import BY, daemon

from gateway.access import devices
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Connect, Publish
from gateway.stores import open_direct

if TYPE_CHECKING:
    from daemon_process import DaemonProcess

COUNT = 1_000
EVERY = 0.01  # s between the frames that are timed
SIGNED_IN = 2.0  # s for all of them
DELAYED = 0.1  # s, the most that a frame may take meanwhile


def _make(gateway: DaemonProcess) -> dict[str, str]:
    """Make the devices in one transaction; return their keys."""
    with open_direct(gateway.database) as store, store.transaction() as db:
        return {
            name: devices.create(db, BY, id=name).secret for name in (f"d{n}" for n in range(COUNT))
        }


class Rush:
    """The devices' sockets, opened before the rush begins: what is measured is the sign-in."""

    def __init__(self, port: int, keys: dict[str, str]) -> None:
        self._port = port
        self._keys = keys
        self._streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def __aenter__(self) -> Rush:
        for name in self._keys:
            self._streams[name] = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        for _, writer in self._streams.values():
            writer.close()
        for _, writer in self._streams.values():
            with suppress(OSError):
                await writer.wait_closed()

    async def sign_in(self) -> float:
        """Sign all of them in at once; return how long it took."""
        packets = [
            (
                *self._streams[name],
                encode(Connect(name, 4, username=name, password=key.encode(), keep_alive=60), 4),
            )
            for name, key in self._keys.items()
        ]
        start = time.monotonic()
        for _, writer, packet in packets:
            writer.write(packet)
        answers = await asyncio.gather(*(reader.readexactly(4) for reader, _, _ in packets))
        assert set(answers) == {b"\x20\x02\x00\x00"}
        return time.monotonic() - start


async def _delays(
    gateway: DaemonProcess, key: str, socket: aiohttp.ClientWebSocketResponse
) -> list[float]:
    """Publish the time every few milliseconds until cancelled; return how long each frame took to
    its listener.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["mqtt"])
    writer.write(
        encode(Connect("clock", 4, username="clock", password=key.encode(), keep_alive=60), 4)
    )
    await reader.readexactly(4)

    async def publish() -> None:
        while True:
            writer.write(
                encode(Publish("devices/clock/telemetry/t", repr(time.monotonic()).encode()), 4)
            )
            await asyncio.sleep(EVERY)

    publishing, delays = asyncio.create_task(publish()), list[float]()
    try:
        async for message in socket:
            frame = message.json()
            if frame.get("channel") == "t":
                delays.append(time.monotonic() - frame["value"])
    except asyncio.CancelledError:
        pass
    finally:
        publishing.cancel()
        writer.close()
    return delays


async def _rush(gateway: DaemonProcess) -> tuple[float, list[float]]:
    keys = _make(gateway)
    key = await gateway.add("clock")  # the others were written before: they are known, too
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as session,
        session.ws_connect(f"{gateway.url}/api/v1/ws") as socket,
        Rush(gateway.ports["mqtt"], keys) as rush,
    ):
        await socket.send_json(
            {"type": "subscribe", "id": 1, "filter": "clock/t", "snapshot": False}
        )
        timing = asyncio.create_task(_delays(gateway, key, socket))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(20):
            took = await rush.sign_in()
        await asyncio.sleep(0.2)
        timing.cancel()
        delays = await timing
        async with session.get(f"{gateway.url}/api/v1/devices") as answer:
            shown = (await answer.json())["devices"]
        assert {device["id"] for device in shown if device["online"]} >= keys.keys()
    return took, delays


async def test_a_thousand_devices_come_back_at_once(tmp_path):
    """All are signed in and online, and the frames of another device go on coming meanwhile."""
    async with daemon(tmp_path) as gateway:
        _, delays = await _rush(gateway)
        assert len(delays) > 10


@pytest.mark.soak
async def test_the_rush_is_over_in_two_seconds_and_delays_no_frame(tmp_path):
    """Sign-in of a thousand devices takes under 2 s, and no frame more than 100 ms meanwhile."""
    async with daemon(tmp_path) as gateway:
        took, delays = await _rush(gateway)
        print(
            f"{COUNT} devices signed in within {took:.3f} s; frames took "
            f"{max(delays) * 1000:.0f} ms at most"
        )
        assert took < SIGNED_IN
        assert max(delays) < DELAYED
