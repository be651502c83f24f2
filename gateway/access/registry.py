"""The registry in memory: devices, users, tokens and web sessions, as the database has them.

Lookups are synchronous and cost a dict access. Changes go through `apply`, which runs a function of
`devices`, `accounts`, `tokens`, `sessions` or `links` in one transaction; what another process
changes is seen at the next `refresh`, five times a second. Either way those who subscribed are
told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from msgspec import structs

from gateway.access.records import Records
from gateway.store.patience import repeat
from gateway.store.registry import Change, Device, Tidying

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.shapes import Clock
    from gateway.store.audit import By
    from gateway.store.registry import Everything, Kind, Record, RegistryStore, Tables

P = ParamSpec("P")
T = TypeVar("T")
POLL = 0.2  # s
TIDY = 30.0  # s
KEPT_CHANGES = 1000
PENDING_FOR = 24 * 3600 * 1000  # ms that an announced device waits for approval


class Registry(Records):
    """Records that follow the database. Call `load` before anything else, and let `run` run."""

    def __init__(self, store: RegistryStore, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._store = store
        self._rev = 0
        self._refreshing = asyncio.Lock()
        self._turns = asyncio.Lock()  # of changes
        self._listeners: list[Callable[[Change], None]] = []
        self._transfers: list[Callable[[str], None]] = []
        self._readers: list[Callable[[int], None]] = []
        self._used: dict[int, int] = {}  # token: ms, not yet written
        self._expired_upto = clock()
        self._tidy_at = 0.0  # time of the event loop

    def on_change(self, listener: Callable[[Change], None]) -> None:
        """Call a plain function with every change, after it can be looked up; also when a token or
        session expires.
        """
        self._listeners.append(listener)

    def on_read(self, listener: Callable[[int], None]) -> None:
        """Call a plain function with the revision that was read, after all other subscribers."""
        self._readers.append(listener)

    def on_transfer(self, listener: Callable[[str], None]) -> None:
        """Call a plain function with every device that belongs to somebody else from now on."""
        self._transfers.append(listener)

    async def apply(
        self,
        work: Callable[Concatenate[Tables, By, P], T],
        by: By,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work(tables, by, *args, **kwargs)` in one transaction; when this returns it can be
        looked up.

        Changes have their turns, and `by.demand` is asked in that of this one: who lost a right by
        an earlier one has lost it for this one. What `work` raises undoes it. Raises `StoreError`
        where the store refuses.
        """
        async with self._turns:
            if by.demand is not None:
                by.demand()
            result = await self._store.apply(work, by, *args, **kwargs)
            await self.refresh()
        return result

    async def ask(
        self, work: Callable[Concatenate[Tables, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(tables, *args, **kwargs)`, which only reads what is not kept in memory."""
        return await self._store.ask(work, *args, **kwargs)

    async def load(self) -> None:
        """Read everything, and tell what is new about it."""
        async with self._refreshing:
            self._tell(self._replace(await self._store.everything()))

    async def refresh(self) -> None:
        """Take in what has been written since the last time, by whomever."""
        async with (
            self._refreshing
        ):  # one after the other: an older answer must not overwrite a newer one
            update = await self._store.changes(self._rev)
            if update is None:
                events = self._replace(await self._store.everything())
            else:
                events = update.events
                for (kind, key), record in update.records.items():
                    self._take(kind, key, record)
                self._rev = update.rev
            self._tell([*events, *self._expired()])

    async def run(self) -> None:
        """Refresh and tidy until cancelled."""
        await repeat(self._follow, POLL, "the registry")

    async def _follow(self) -> None:
        await self.refresh()
        if (now := asyncio.get_running_loop().time()) >= self._tidy_at:
            await self.tidy()
            self._tidy_at = now + TIDY

    def touch(self, token: int) -> None:
        """Note that a token was used, for who looks now; written by the next `tidy`."""
        self._used[token] = now = self._clock()
        self.put("token", str(token), structs.replace(self.tokens[token], last_used=now))

    async def tidy(self) -> None:
        """Write when tokens were used, and remove what has expired."""
        used, self._used = self._used, {}
        now = self._clock()
        await self._store.tidy(Tidying(used, now, now - PENDING_FOR, self._rev - KEPT_CHANGES))

    def _tell(self, events: list[Change]) -> None:
        for event in events:
            for listener in self._listeners:
                listener(event)
        for reader in self._readers:
            reader(self._rev)

    def _expired(self) -> list[Change]:
        since, self._expired_upto = self._expired_upto, self._clock()
        return [Change(kind, key, True) for kind, key in self.expiring(since, self._expired_upto)]

    def _replace(self, new: Everything) -> list[Change]:
        """Take over all records; return how they differ from those before."""
        events = []
        for kind, key in {*self.names(), *new.records}:
            record = new.records.get((kind, key))
            if self.get(kind, key) != record:
                self._take(kind, key, record)
                events.append(Change(kind, key, record is None))
        self._rev = new.rev
        return events

    def _take(self, kind: Kind, key: str, record: Record | None) -> None:
        before = self.devices.get(key) if kind == "device" else None
        self.put(kind, key, record)
        if before is not None and isinstance(record, Device) and record.owner != before.owner:
            for listener in self._transfers:
                listener(key)
