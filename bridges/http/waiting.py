"""Requests that wait: until their time is over, or the gateway stops, which must not wait for them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Waits = set[asyncio.Timeout]
WAITS = web.AppKey("waits", Waits)


@asynccontextmanager
async def at_most(request: web.Request, seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` inside when the time is over, or the gateway stops. Nothing is awaited on the way in."""
    waits = request.app[WAITS]
    async with asyncio.timeout(seconds) as limit:
        waits.add(limit)
        try:
            yield
        finally:
            waits.discard(limit)


async def end(app: web.Application) -> None:
    """Let every request that waits go on at once."""
    now = asyncio.get_running_loop().time()
    for limit in app[WAITS]:
        limit.reschedule(now)
