"""What is kept, and for how long."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.clock import now_ms
from gateway.stores import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config import Config
    from gateway.root.tasks import Tasks
    from gateway.stores import Store, Upkeep


class Kept(msgspec.Struct, frozen=True):
    """The store, and what keeps it in shape."""

    store: Store
    upkeep: Upkeep


@asynccontextmanager
async def store(config: Config, tasks: Tasks) -> AsyncIterator[Kept]:
    """Open the database, and remove what is older than is kept."""
    kept = config.history
    opened = await open_store(config.store.path, durability=config.store.durability)
    try:
        upkeep = opened.upkeep(keep=round(kept.keep * 1000), max_size=kept.max_size, clock=now_ms)
        async with tasks.beside(("upkeep", upkeep.run())):
            yield Kept(opened, upkeep)
    finally:
        await opened.close()
