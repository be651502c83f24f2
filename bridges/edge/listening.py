"""Listeners of the HTTP port: each runs for as long as its connection, which ends with it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.hub import Listener

log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    listener: Listener, end: Callable[[GatewayError], object]
) -> AsyncIterator[None]:
    """Let a listener run for the block. Where it cannot go on, `end` ends the connection."""

    def ended(run: asyncio.Task[None]) -> None:
        error = None if run.cancelled() else run.exception()
        if error is not None:
            log.error("a listener is let go", exc_info=error)
            end(GatewayError("frames cannot be sent to this listener"))

    run = asyncio.create_task(listener.run(), name="listener")
    run.add_done_callback(ended)
    try:
        yield
    finally:
        run.cancel()
        listener.close()
