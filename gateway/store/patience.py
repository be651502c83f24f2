"""Work on the database that is done again and again, whatever the disk says meanwhile."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


async def repeat(work: Callable[[], Awaitable[None]], every: float, name: str) -> None:
    """Do it every so many seconds until cancelled; a database that refuses is logged once, and
    tried again.
    """
    refused = False
    while True:
        await asyncio.sleep(every)
        try:
            await work()
            refused = False
        except sqlite3.Error as error:
            if not refused:
                log.warning("%s waits for the database: %s", name, error)
            refused = True
