"""What is kept, and for how long."""

from __future__ import annotations

from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING

import msgspec

from gateway.clock import now_ms
from gateway.errors import Invalid, InvalidTopic
from gateway.store.keeping import Exemption, Keeping
from gateway.stores import open_store
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config import Config
    from gateway.config.model import History
    from gateway.root.tasks import Tasks
    from gateway.stores import Store, Upkeep


class Kept(msgspec.Struct, frozen=True):
    """The store, and what keeps it in shape."""

    store: Store
    upkeep: Upkeep


@asynccontextmanager
async def store(config: Config, tasks: Tasks) -> AsyncIterator[Kept]:
    """Open the database, and remove what is older than is kept."""
    kept = keeping(config.history)
    opened = await open_store(config.store.path, durability=config.store.durability)
    try:
        upkeep = opened.upkeep(kept, clock=now_ms)
        async with tasks.beside(("upkeep", upkeep.run())):
            yield Kept(opened, upkeep)
    finally:
        await opened.close()


def keeping(said: History) -> Keeping:
    """Return what `[history]` says; raises `Invalid`."""
    return Keeping(
        frames=_ms(said.keep),
        minutes=_ms(said.minutes),
        hours=_ms(said.hours),
        days=_ms(said.days),
        max_size=said.max_size,
        exemptions=tuple(
            Exemption(_filter(number, one.filter), _ms(one.keep))
            for number, one in enumerate(said.exceptions, 1)
        ),
    )


def _ms(seconds: float) -> int | None:
    return None if seconds == inf else round(seconds * 1000)


def _filter(number: int, text: str) -> TopicFilter:
    try:
        return TopicFilter(text)
    except InvalidTopic as error:
        raise Invalid(f"[[history.for]] #{number} filter: {error}") from None
