"""Retention under load: history is pruned while devices publish, and they hardly wait for it."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.end_to_end.daemon_process import DaemonProcess, daemon
from tests.end_to_end.raw_peers import connect_packet, publish_packet
from tests.end_to_end.reading import frames

pytestmark = pytest.mark.soak

SECONDS = 30  # of each run
LATE = 0.050  # s, that pruning may add


async def test_pruning_does_not_hold_up_ingest(tmp_path):
    """While history is pruned all the time PUBACKs come as soon as they do otherwise, but for 50
    ms.
    """
    latency = {}
    for size in ("4GB", "50MB"):
        async with daemon(tmp_path / size, f'[history]\nmax_size = "{size}"\n') as gateway:
            latency[size] = await _probe(gateway)
            async with aiohttp.ClientSession(headers=gateway.headers) as http:
                first = (await frames(http, gateway.url, filter="kitchen/probe"))[0]
            assert (first["type"] == "gap") is (size == "50MB")
    assert latency["50MB"] < latency["4GB"] + LATE, latency


async def _probe(gateway: DaemonProcess) -> float:
    """Return within what time all but one of a thousand PUBACKs come under load; on a busy machine
    one may be late.
    """
    key = await gateway.add("kitchen")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["mqtt"])
    load = asyncio.create_task(_load(gateway.ports["mqtt"], key))
    took: list[float] = []
    try:
        writer.write(connect_packet("kitchen", key))
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        end = time.monotonic() + SECONDS
        while (now := time.monotonic()) < end:
            writer.write(publish_packet("devices/kitchen/telemetry/probe", b"1", 1))
            assert await reader.readexactly(4) == b"\x40\x02\x00\x01"
            took.append(time.monotonic() - now)
            await asyncio.sleep(0.01)
    finally:
        load.cancel()
        await asyncio.wait([load])
        writer.close()
    return sorted(took)[-1 - len(took) // 1_000]


async def _load(port: int, key: str) -> None:
    """Publish ten messages of 2 KB every five milliseconds with QoS 0."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(connect_packet("kitchen", key, client_id="load"))
        message = publish_packet("devices/kitchen/telemetry/load", b'"' + b"x" * 2_000 + b'"')
        while True:
            writer.write(message * 10)
            await writer.drain()
            await asyncio.sleep(0.005)
    finally:
        writer.close()
