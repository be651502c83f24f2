"""Work on the database that is done again and again, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


async def repeat(work: Callable[[], Awaitable[None]], every: float, name: str) -> None:
    """Do it every `every` seconds until cancelled.

    What fails is logged once and tried again: such work notes things and tidies up, and may never
    end the gateway.
    """
    failed = False
    while True:
        await asyncio.sleep(every)
        try:
            await work()
            failed = False
        except Exception as error:
            if not failed:
                _say(name, error)
            failed = True


def _say(name: str, error: Exception) -> None:
    if isinstance(error, StoreError):
        log.warning("%s waits for the database: %s", name, error)
    else:
        log.error("%s fails and is tried again", name, exc_info=error)
