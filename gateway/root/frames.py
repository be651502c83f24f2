"""The one way in and the one way out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.catalog import Catalog
from gateway.clock import now_ms
from gateway.hub import Hub
from gateway.hub.hub import AHEAD
from gateway.intake import Intake
from gateway.valve import Valve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.root.tasks import Tasks
    from gateway.stores import Store

DRAIN = 5.0  # s for what was accepted to be stored


class Frames(msgspec.Struct, frozen=True):
    """What frames pass through."""

    valve: Valve
    catalog: Catalog
    hub: Hub
    intake: Intake


@asynccontextmanager
async def frames(store: Store, tasks: Tasks) -> AsyncIterator[Frames]:
    """Go on where history ends; at the end, store what was accepted."""
    opened = await store.history.opened(now_ms() + AHEAD)
    catalog = Catalog(opened)
    hub = Hub(epoch=opened.epoch, seq=opened.seq, catalog=catalog, read=store.history.after)
    valve = Valve()
    intake = Intake(
        seq=opened.seq,
        commit=store.history.append,
        publish=hub.publish,
        unsaved=catalog.take_unsaved,
        valve=valve,
    )
    running = tasks.watch(intake.run(), "intake")
    try:
        yield Frames(valve, catalog, hub, intake)
    finally:
        intake.close()
        await asyncio.wait([running], timeout=DRAIN)
        running.cancel()
