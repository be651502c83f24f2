"""Reading a gateway's API from outside: all frames by paging, whether it is ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from gateway.store.sqlite.database import READERS

if TYPE_CHECKING:
    from tests.end_to_end.daemon_process import DaemonProcess

WARM_UP = (
    READERS * 25_000
)  # KB: what each reading connection takes once, whatever the size of the file
START = 1_763_673_300_000  # 2025-11-20T21:15:00Z


async def frames(http: aiohttp.ClientSession, url: str, **query: Any) -> list[dict[str, Any]]:
    """Return all frames, page by page until `next` is null."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        async with http.get(
            f"{url}/api/v1/frames", params={"limit": 5_000, **query, "after": after}
        ) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
        found += page["frames"]
        after = page["next"]
    return found


async def ready(http: aiohttp.ClientSession, url: str, status: int) -> list[str]:
    """Wait until /readyz answers so; return its reasons."""
    async with asyncio.timeout(15):
        while True:
            async with http.get(f"{url}/readyz") as response:
                if response.status == status:
                    return list((await response.json()).get("reasons", []))
            await asyncio.sleep(0.05)


async def files_of_history(gateway: DaemonProcess, count: int, padding: int) -> None:
    """Store so many frames and read them as files; all are in them, and the gateway's memory stays
    flat.

    They must be larger than `WARM_UP`.
    """
    await gateway.add("kitchen")
    filling, at_once = "x" * padding, 200_000 // (padding + 60)
    async with aiohttp.ClientSession(headers=gateway.headers) as http:
        for first in range(0, count, at_once):
            numbers = range(first, min(first + at_once, count))
            body = [{"ts": START + n, "values": {"t": f"{n} {filling}"}} for n in numbers]
            async with http.post(
                f"{gateway.url}/api/v1/devices/kitchen/telemetry", json=body
            ) as response:
                assert response.status == 200, await response.text()
        for form, head in (("ndjson", 0), ("csv", 1)):
            before = gateway.memory()
            lines, highest = 0, 0
            ending = b""
            async with http.get(
                f"{gateway.url}/api/v1/history?device=kitchen&channel=t&format={form}"
            ) as response:
                async for line in response.content:
                    ending = line
                    lines += 1
                    if lines % 5_000 == 0:
                        highest = max(highest, gateway.memory())
            assert lines == count + head
            assert f"{count - 1} {filling}".encode() in ending
            assert highest - before < WARM_UP, (
                f"{highest - before} KB for {count * padding // 1000} KB"
            )
