"""Retention under load: history is pruned while devices publish, and they hardly wait for it."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.raw_peers import connect_packet, publish_packet
from tests.end_to_end.reading import frames

pytestmark = pytest.mark.soak

SECONDS = 60
LATE = 0.050  # s, that pruning may add


async def test_pruning_does_not_hold_up_ingest(tmp_path):
    """PUBACKs come as soon while history is pruned all the time as they did before, but for 50 ms."""
    async with daemon(tmp_path, '[history]\nmax_size = "50MB"\n') as gateway:
        key = await gateway.add("kitchen")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["mqtt"])
        try:
            writer.write(connect_packet("kitchen", key))
            assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
            load = asyncio.create_task(_load(gateway.ports["mqtt"], key))
            latencies: list[tuple[float, float]] = []
            began = time.monotonic()
            while (now := time.monotonic()) < began + SECONDS:
                writer.write(publish_packet("devices/kitchen/telemetry/probe", b"1", 1))
                assert await reader.readexactly(4) == b"\x40\x02\x00\x01"
                latencies.append((now - began, time.monotonic() - now))
                await asyncio.sleep(0.01)
            load.cancel()
            await asyncio.wait([load])
        finally:
            writer.close()
        async with aiohttp.ClientSession(headers=gateway.headers) as http:
            first = (await frames(http, gateway.url, filter="kitchen/probe"))[0]
        assert first["type"] == "gap", "nothing was pruned"
        usual = sorted(took for at, took in latencies if at < 5)[-10]
        late = [(at, took) for at, took in latencies if took > usual + LATE]
        assert len(late) <= len(latencies) // 1_000, late


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
