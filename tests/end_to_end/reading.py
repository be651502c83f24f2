"""Reading a gateway's API from outside: all frames by paging, whether it is ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp


async def frames(http: aiohttp.ClientSession, url: str, **query: Any) -> list[dict[str, Any]]:
    """Return all frames, page by page until `next` is null."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        async with http.get(f"{url}/api/v1/frames", params={"limit": 5_000, **query, "after": after}) as response:
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
