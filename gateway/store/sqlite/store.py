"""The ports of `gateway.store`, on a database file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from gateway.store.audit import ALL
from gateway.store.sqlite import audit, batch, broker_state, commands, history, registry
from gateway.store.sqlite import series as series_table
from gateway.store.sqlite.database import Database
from gateway.store.sqlite.upkeep import Upkeep
from gateway.store.sqlite.usage import usage as counted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from gateway.broker.embedded.core.durable import State
    from gateway.frames import Entry
    from gateway.shapes import Clock
    from gateway.store.audit import Deed, Wanted
    from gateway.store.audit import Entry as Noted
    from gateway.store.commands import Command
    from gateway.store.facts import Fact
    from gateway.store.history import Function, Opened, Page, Rejection, Row, Span
    from gateway.store.keeping import Keeping
    from gateway.store.registry import Everything, Tables, Tidying, Update
    from gateway.store.series import Bucket, Extent
    from gateway.store.sqlite.database import Durability
    from gateway.store.usage import Usage

P = ParamSpec("P")
T = TypeVar("T")

SECONDS = 10  # of one read of history by time


class SqliteStore:
    """One database file, open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.history = History(database)
        self.series = Series(database)
        self.registry = Registry(database)
        self.commands = Commands(database)
        self.audit = Audit(database)

    @classmethod
    async def open(cls, path: Path, *, durability: Durability = "full") -> SqliteStore:
        """Open or create the file and bring its schema up to date; raises `DatabaseError`."""
        return cls(await Database.open(path, durability=durability))

    def trouble(self) -> str | None:
        """Return why nothing can be stored, None where there is no reason."""
        return self._database.trouble

    async def close(self) -> None:
        """Finish what was begun, and let go of the file."""
        await self._database.close()

    def upkeep(self, kept: Keeping, *, clock: Clock) -> Upkeep:
        """Return what keeps the file in shape; `run` it beside everything else."""
        return Upkeep(self._database, kept, clock=clock)

    async def broker_state(self) -> State:
        """Return what the embedded broker starts from."""
        return await self._database.read(broker_state.load)


class History:
    """See `HistoryStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def opened(self, now: int) -> Opened:
        return await self._database.read(partial(history.opened, now=now))

    async def append(self, seq: int, entries: list[Entry], facts: Sequence[Fact]) -> None:
        await self._database.write(lambda db: batch.append(db, seq, entries, facts))

    async def after(
        self, cursor: int, upto: int, series: Collection[int] | None, limit: int
    ) -> Page:
        return await self._database.read(lambda db: history.after(db, cursor, upto, series, limit))

    async def by_time(
        self, series: Collection[int], span: Span, limit: int, *, newest_first: bool = False
    ) -> list[Row]:
        return await self._database.read(
            lambda db: history.by_time(db, series, span, limit, newest_first=newest_first),
            seconds=SECONDS,
        )

    async def buckets(
        self, series: Collection[int], span: Span, every: int, functions: Sequence[Function]
    ) -> list[tuple[Any, ...]]:
        return await self._database.read(
            lambda db: series_table.next_buckets(db, series, span, every, functions),
            seconds=SECONDS,
        )

    async def rejected(self, before: int | None, limit: int) -> list[Rejection]:
        return await self._database.read(partial(history.rejected, before=before, limit=limit))


class Series:
    """See `SeriesStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def extent(self, series: Collection[int]) -> Extent | None:
        return await self._database.read(partial(series_table.extent, series=series))

    async def buckets(
        self, series: Collection[int], span: Span, step: int, *, ends: bool = False
    ) -> list[Bucket]:
        """Frames are read a few buckets at a time, so that many hold no reader for long."""
        found: list[Bucket] = []
        for part in series_table.stretches(span, step):
            read = partial(series_table.buckets, series=series, span=part, step=step, ends=ends)
            found += await self._database.read(read, seconds=SECONDS)
        return found

    async def values(
        self, series: Collection[int], span: Span, limit: int
    ) -> list[tuple[int, str]]:
        read = partial(series_table.values, series=series, span=span, limit=limit)
        return await self._database.read(read, seconds=SECONDS)

    async def usage(self, now: int) -> Usage:
        return await self._database.read(partial(counted, now=now))


class Registry:
    """See `RegistryStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def everything(self) -> Everything:
        return await self._database.follow(registry.everything)

    async def changes(self, rev: int) -> Update | None:
        return await self._database.follow(partial(registry.changes, rev=rev))

    async def apply(
        self, work: Callable[Concatenate[Tables, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._database.write(_with_tables(work, *args, **kwargs))

    async def ask(
        self, work: Callable[Concatenate[Tables, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._database.follow(_with_tables(work, *args, **kwargs))

    async def tidy(self, what: Tidying) -> None:
        await self._database.write(partial(registry.tidy, what=what))


def _with_tables(
    work: Callable[Concatenate[Tables, P], T], /, *args: P.args, **kwargs: P.kwargs
) -> Callable[[sqlite3.Connection], T]:
    return lambda db: work(registry.Tables(db), *args, **kwargs)


class Commands:
    """See `CommandStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unfinished(self, now: int) -> list[Command]:
        return await self._database.read(partial(commands.unfinished, now=now))

    async def find(self, command: str) -> Command | None:
        return await self._database.read(partial(commands.find, command=command))

    async def keys(self, limit: int) -> list[tuple[str, str, str]]:
        return await self._database.read(partial(commands.keys, limit=limit))

    async def prune(self, before: int, limit: int) -> int:
        return await self._database.write(partial(commands.prune, before=before, limit=limit))


class Audit:
    """See `AuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, deeds: Sequence[Deed]) -> None:
        await self._database.write(partial(audit.append, deeds=deeds, routine=True))

    async def read(self, before: int | None, limit: int, wanted: Wanted = ALL) -> list[Noted]:
        return await self._database.read(
            partial(audit.read, before=before, limit=limit, wanted=wanted)
        )

    async def trim(self, keep: int) -> None:
        await self._database.write(partial(audit.trim, keep=keep))
