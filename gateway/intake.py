"""The one way in: accept, group commit, publish, acknowledge.

What arrives while a batch is being committed is the next batch: batches grow with load and shrink
to one message when idle. A batch is committed whole, then shown to listeners, then its senders are
told. While the disk refuses, the batch is tried again until it goes through; nothing is
acknowledged meanwhile, and the senders are slowed.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from gateway.errors import StoreError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.broker.port import Done
    from gateway.frames import Entry
    from gateway.store.facts import Fact
    from gateway.valve import Valve

log = logging.getLogger(__name__)

MAX_ENTRIES = 50_000  # waiting, before senders are slowed
MAX_BYTES = 16 << 20
PATIENCE = 3.0  # s that a sender who waits for the answer waits for room
RETRY_FIRST, RETRY_LAST = 0.1, 2.0  # s


class Commit(Protocol):
    """Write a batch in one transaction, its first entry as `seq`; raises `StoreError` where the
    disk refuses.
    """

    def __call__(
        self, seq: int, entries: list[Entry], facts: Sequence[Fact]
    ) -> Awaitable[None]: ...


class _Batch:
    __slots__ = ("bytes", "done", "entries", "facts", "first")

    def __init__(self, first: int) -> None:
        self.first = first
        self.entries: list[Entry] = []
        self.facts: list[Fact] = []
        self.done: list[Done] = []
        self.bytes = 0

    @property
    def empty(self) -> bool:
        return not (self.entries or self.facts or self.done)


class Intake:
    """Gathers entries into batches and sees them through.

    `seq`: the newest seq in history. `publish(first, entries)` shows a committed batch. `unsaved`
    gives facts to go with every batch. `valve` is closed while too much waits.
    """

    def __init__(
        self,
        *,
        seq: int,
        commit: Commit,
        publish: Callable[[int, Sequence[Entry]], None],
        unsaved: Callable[[], Sequence[Fact]],
        valve: Valve,
    ) -> None:
        self.refusal: str | None = None  # why the disk takes nothing at the moment
        self.committed = 0  # batches
        self._next = seq + 1
        self._commit = commit
        self._publish = publish
        self._unsaved = unsaved
        self._valve = valve
        self._gathering = _Batch(self._next)
        self._waiting_bytes = 0
        self._waiting = 0
        self._committing = 0
        self._arrived = asyncio.Event()
        self._closing = False
        self._has_room = asyncio.Event()
        self._has_room.set()
        valve.subscribe(self._has_room.clear, self._has_room.set)
        self._askers: set[asyncio.Future[None]] = set()

    @property
    def waiting(self) -> int:
        """Entries accepted and not yet committed."""
        return self._waiting

    @property
    def idle(self) -> bool:
        """Nothing is gathered, being committed or about to be shown."""
        return self._gathering.empty and not self._committing

    @property
    def full(self) -> bool:
        """Senders must be slowed."""
        return self._valve.closed

    def submit(
        self,
        entries: Sequence[Entry],
        done: Done | None = None,
        facts: Sequence[Fact] = (),
        size: int = 0,
    ) -> int:
        """Take entries in, in order; return the last one's seq. `done` runs once they are stored
        and shown.

        `size`: bytes they were made from, for the bound on what waits.
        """
        batch = self._gathering
        if entries:
            batch.entries += entries
            self._next += len(entries)
            self._waiting += len(entries)
        if facts:
            batch.facts += facts
            size += 64 * len(facts)
        if done is not None:
            batch.done.append(done)
        batch.bytes += size
        self._waiting_bytes += size
        if self._waiting > MAX_ENTRIES or self._waiting_bytes > MAX_BYTES:
            self._valve.close()
        self._arrived.set()
        return self._next - 1

    async def store(
        self, entries: Sequence[Entry], facts: Sequence[Fact] = (), size: int = 0
    ) -> int:
        """Take entries in and return the last one's seq once they are stored and shown; raises
        `Unavailable`.

        Entries already accepted are still stored once the disk recovers, even though their sender
        got an error.
        """
        if self._closing:
            raise Unavailable("the gateway is stopping")
        if self.refusal is not None:
            raise Unavailable(f"the gateway cannot store at the moment: {self.refusal}")
        if self.full:
            await self._room()
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        seq = self.submit(
            entries, lambda: None if stored.done() else stored.set_result(None), facts, size
        )
        self._askers.add(stored)
        try:
            await stored
        finally:
            self._askers.discard(stored)
        return seq

    async def _room(self) -> None:
        """Wait a moment for what is in front to be stored, as senders over MQTT do; raises
        `Unavailable`.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._has_room.wait()
        except TimeoutError:
            raise Unavailable("more arrives than can be stored") from None

    async def run(self) -> None:
        """Commit batches until `close`; what was accepted before is stored first."""
        committing = await self._start()
        while committing is not None:
            batch, task = committing
            await task
            # The next commit begins before this batch is shown: the disk works meanwhile.
            committing = await self._start(wait=False)
            self._finish(batch)
            if committing is None:
                committing = await self._start()

    async def settled(self, patience: float) -> None:
        """Wait until what was taken in before is stored and acknowledged, for some seconds at most:
        a dead disk ends no waiting.
        """
        stored = asyncio.Event()
        self.submit((), stored.set)
        with suppress(TimeoutError):
            await asyncio.wait_for(stored.wait(), patience)

    def close(self) -> None:
        """Let `run` end when all is stored."""
        self._closing = True
        self._arrived.set()

    async def _start(self, *, wait: bool = True) -> tuple[_Batch, asyncio.Task[None]] | None:
        batch = self._gathering
        while batch.empty:
            if self._closing or not wait:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        self._gathering = _Batch(self._next)
        self._committing += 1
        batch.facts[:0] = self._unsaved()
        task = asyncio.create_task(self._write(batch), name="commit")
        await asyncio.sleep(0)  # so that it has begun
        return batch, task

    async def _write(self, batch: _Batch) -> None:
        if not batch.entries and not batch.facts:
            return
        pause = RETRY_FIRST
        while True:
            try:
                await self._commit(batch.first, batch.entries, batch.facts)
            except StoreError as error:
                if self.refusal is None:
                    log.error("storing fails, devices are held back until it goes on: %s", error)
                self.refusal = str(error)
                self._refuse_askers()
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_LAST)
            else:
                break
        if self.refusal is not None:
            self.refusal = None
            log.warning("storing goes on")

    def _refuse_askers(self) -> None:
        for stored in self._askers:
            if not stored.done():
                stored.set_exception(
                    Unavailable(f"the gateway cannot store at the moment: {self.refusal}")
                )

    def _finish(self, batch: _Batch) -> None:
        self.committed += 1
        if batch.entries:
            self._publish(batch.first, batch.entries)
        for done in batch.done:
            try:
                done()
            except Exception:
                log.exception("after a commit")
        self._committing -= 1
        self._waiting -= len(batch.entries)
        self._waiting_bytes -= batch.bytes
        if self._waiting < MAX_ENTRIES // 2 and self._waiting_bytes < MAX_BYTES // 2:
            self._valve.open()
