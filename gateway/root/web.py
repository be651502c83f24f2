"""The HTTP port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web as http

from gateway.bridges.http import waiting
from gateway.bridges.http.porch import PorchSite
from gateway.root import tables
from gateway.root.site import site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config import Config
    from gateway.root.parts import Parts
    from gateway.root.site import Site
    from gateway.root.tasks import Tasks
    from gateway.tls import ServerTls

SHUTDOWN = 5.0  # s for open requests to end
ROUNDS = 2  # aiohttp waits for them, and once more after it has cut off their bodies
RECHECK = 1.0  # s between looks for listeners whose sign-in has ended


class Web(msgspec.Struct, frozen=True):
    """The bound port, and its certificate."""

    port: int
    site: Site
    tls: ServerTls | None


@asynccontextmanager
async def web(config: Config, parts: Parts, tasks: Tasks) -> AsyncIterator[Web]:
    """Let requests in; raises `OSError` where the port cannot be had."""
    tls = tables.http_tls(config.http.tls)
    served = site(parts, config)

    async def end_listening(_: http.Application) -> None:
        await asyncio.gather(*(each.close() for each in served.open))

    served.app.on_shutdown.append(end_listening)
    runner = http.AppRunner(served.app, access_log=None, shutdown_timeout=SHUTDOWN / ROUNDS)
    await runner.setup()
    try:
        context = tls.context if tls else None
        await PorchSite(
            runner, served.porch, config.http.host, config.http.port, tls=context
        ).start()
        async with tasks.beside(("recheck", _recheck(served))):
            yield Web(int(runner.addresses[0][1]), served, tls)
    finally:
        await runner.cleanup()


async def _recheck(served: Site) -> None:
    """End the listeners whose sign-in holds no longer, and who is too slow, until cancelled."""
    while True:
        await asyncio.sleep(RECHECK)
        served.porch.sweep()
        waiting.recheck(served.app, served.door.valid)
        for each in served.open:
            each.recheck()
