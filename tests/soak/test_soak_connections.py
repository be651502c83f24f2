"""Ten thousand devices that are connected and say little."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.raw_peers import connect_packet, publish_packet

pytestmark = pytest.mark.soak

COUNT = 10_000
AT_ONCE = 200
BYTES_EACH = 8_192


class Idle(asyncio.Protocol):
    """A connection that keeps only what it last got."""

    def __init__(self) -> None:
        self.got = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if not self.got.done():
            self.got.set_result(data)


async def connect(port: int, key: str, number: int) -> Idle:
    """Connect as the kitchen with a client id of its own."""
    _, idle = await asyncio.get_running_loop().create_connection(Idle, "127.0.0.1", port)
    idle.transport.write(connect_packet("kitchen", key, client_id=f"c{number}", keep_alive=600))
    async with asyncio.timeout(30):
        assert await idle.got == b"\x20\x02\x00\x00"
    return idle


async def test_ten_thousand_idle_connections(tmp_path):
    """They cost little memory and next to no time, and the gateway serves as before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < COUNT + 1_000:
        pytest.skip("too few open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[Idle] = []
    try:
        async with (
            daemon(tmp_path) as gateway,
            aiohttp.ClientSession(headers=gateway.headers) as http,
        ):
            key = await gateway.add("kitchen")
            idle += [await connect(gateway.ports["mqtt"], key, -1)]
            before = gateway.memory()
            for first in range(0, COUNT - 1, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, COUNT - 1))
                idle += await asyncio.gather(
                    *(connect(gateway.ports["mqtt"], key, number) for number in numbers)
                )
            each = (gateway.memory() - before) * 1024 / COUNT
            assert each < BYTES_EACH, f"{each:.0f} bytes each"
            busy, began = _processor_time(gateway.pid), time.monotonic()
            await asyncio.sleep(10)
            used = (_processor_time(gateway.pid) - busy) / (time.monotonic() - began)
            assert used < 0.03, f"{used:.1%} of a core"
            last = idle[-1]
            last.got = asyncio.get_running_loop().create_future()
            last.transport.write(publish_packet("devices/kitchen/telemetry/x", b"1", 1))
            async with asyncio.timeout(5):
                assert await last.got == b"\x40\x02\x00\x01"
            async with http.get(f"{gateway.url}/readyz") as response:
                assert response.status == 200
    finally:
        for connection in idle:
            connection.transport.abort()
        await asyncio.sleep(0.1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _processor_time(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
