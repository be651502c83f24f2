"""Which store keeps everything: the one place that knows each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from gateway.store.sqlite import direct
from gateway.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.broker.embedded.core.durable import State
    from gateway.shapes import Clock
    from gateway.store.audit import AuditStore
    from gateway.store.commands import CommandStore
    from gateway.store.direct import Direct
    from gateway.store.history import HistoryStore
    from gateway.store.keeping import Keeping
    from gateway.store.registry import RegistryStore
    from gateway.store.series import SeriesStore


Durability: TypeAlias = Literal["full", "normal"]


class Upkeep(Protocol):
    """What keeps a store in shape. `behind`: frames that its aggregates have yet to catch up
    with.
    """

    behind: int

    async def run(self) -> None:
        """Work until cancelled."""


class Store(Protocol):
    """All ports of an open store."""

    @property
    def history(self) -> HistoryStore: ...
    @property
    def series(self) -> SeriesStore: ...
    @property
    def registry(self) -> RegistryStore: ...
    @property
    def commands(self) -> CommandStore: ...
    @property
    def audit(self) -> AuditStore: ...

    async def broker_state(self) -> State:
        """Return what the embedded broker starts from."""

    def upkeep(self, kept: Keeping, *, clock: Clock) -> Upkeep:
        """Return what keeps it in shape."""

    def trouble(self) -> str | None:
        """Return why nothing can be stored, None where there is no reason."""

    async def close(self) -> None:
        """Finish what was begun, and let go of it."""


async def open_store(path: Path, *, durability: Durability = "full") -> Store:
    """Open or make the store, its schema up to date; raises `GatewayError`."""
    return await SqliteStore.open(path, durability=durability)


def open_direct(path: Path, *, durability: Durability = "full") -> AbstractContextManager[Direct]:
    """Open or make the store for one command; raises `GatewayError`."""
    return direct.opened(path, durability)


def look_direct(path: Path) -> AbstractContextManager[Direct]:
    """Open the store as it is, of whatever version: nothing is made or changed. Raises
    `GatewayError`.
    """
    return direct.looked_at(path)
