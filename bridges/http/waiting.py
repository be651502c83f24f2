"""Requests that wait: until their time is over, their sign-in has ended, or the gateway stops and
must not wait.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.bridges.edge.sender import PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.access.principal import Principal

Waits = dict[asyncio.Timeout, web.Request]
WAITS = web.AppKey("waits", Waits)


@asynccontextmanager
async def at_most(request: web.Request, seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` inside when the time is over, the sign-in has ended, or the gateway
    stops.

    Nothing is awaited on the way in.
    """
    waits = request.app[WAITS]
    async with asyncio.timeout(seconds) as limit:
        waits[limit] = request
        try:
            yield
        finally:
            waits.pop(limit, None)


async def end(app: web.Application) -> None:
    """Let every request that waits go on at once."""
    now = asyncio.get_running_loop().time()
    for limit in app[WAITS]:
        limit.reschedule(now)


def recheck(app: web.Application, valid: Callable[[Principal], bool]) -> None:
    """Let those go on whose sign-in holds no longer, to be told so."""
    now = asyncio.get_running_loop().time()
    for limit, request in app[WAITS].items():
        if not valid(request[PRINCIPAL]):
            limit.reschedule(now)
