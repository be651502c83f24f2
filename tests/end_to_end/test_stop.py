"""A stop with a client that takes nothing: it is waited for as long as the docs say, no longer."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web_protocol

from gateway.root.web import SHUTDOWN
from tests.end_to_end.conftest import WAIT, House, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

READINGS = 20_000
AT_ONCE = 500


async def test_an_export_that_nobody_reads_holds_up_a_stop_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the waits for one connection together are at most what the docs promise."""
    waits: Counter[asyncio.Task[object] | None] = Counter()

    @asynccontextmanager
    async def brief(delay: float) -> AsyncIterator[None]:
        waits[asyncio.current_task()] += delay
        async with asyncio.timeout(0.05):
            yield

    with socket.socket() as stalled:
        async with house(tmp_path) as home:
            await home.add("kitchen")
            await _fill(home)
            await _begin_an_export(home, stalled)
            monkeypatch.setattr(web_protocol, "ceil_timeout", brief)
    assert 0 < max(waits.values()) <= SHUTDOWN


async def _fill(home: House) -> None:
    """Store more than any socket holds."""
    path = f"{home.url}/api/v1/devices/kitchen/telemetry"
    readings = [{"values": {"t": "x" * 400}}] * AT_ONCE
    for _ in range(READINGS // AT_ONCE):
        async with home.http.post(path, json=readings) as response:
            assert response.status == 200


async def _begin_an_export(home: House, stalled: socket.socket) -> None:
    """Ask for all of it, and read no more than how it begins."""
    loop = asyncio.get_running_loop()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.setblocking(False)
    await loop.sock_connect(stalled, ("127.0.0.1", home.gateway.ports["http"]))
    request = (
        "GET /api/v1/history?device=kitchen&channel=t&format=ndjson HTTP/1.1\r\n"
        f"Host: localhost\r\nAuthorization: Bearer {home.token}\r\n\r\n"
    )
    await loop.sock_sendall(stalled, request.encode())
    async with asyncio.timeout(WAIT):
        assert (await loop.sock_recv(stalled, 15)).startswith(b"HTTP/1.1 200")
