"""Upkeep: folds, prunes and checkpoints in short slices, while frames come in and queries stay
right.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.catalog import Catalog
from gateway.errors import StoreError
from gateway.store.history import Span
from gateway.store.keeping import Keeping
from gateway.store.series import WHOLE
from gateway.store.sqlite import batch, history, sizes, upkeep
from gateway.store.sqlite import series as series_table
from gateway.store.sqlite.database import LOG_BYTES, Database, open_sync
from gateway.store.sqlite.upkeep import Upkeep

T = TypeVar("T")
SLICE = 7
ENTERED = 5 * SLICE + 1  # a slice in the index and three levels of aggregates, and how far it is
ALL = Span(0, 2**62)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_minutes(self, minutes: int) -> None:
        self.now += minutes * 60_000


class Store:
    """A database that counts what upkeep writes, with a clock and frames to put in."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.jumped = 0  # ms by which the wall clock was set
        self.seq = 0
        self.catalog = Catalog(history.Opened("e", 0, [], 0, []))
        self.slices: list[int] = []  # rows changed by each transaction of upkeep
        self.between: Callable[[], Any] | None = None
        maintain = database.maintain

        async def watched(work: Callable[[sqlite3.Connection], T], *, writing: bool) -> T:
            if not writing:
                return await maintain(work, writing=False)

            def counted(db: sqlite3.Connection) -> tuple[T, int]:
                before = db.total_changes
                return work(db), db.total_changes - before

            result, changes = await maintain(counted, writing=True)
            self.slices.append(changes)
            if self.between is not None:
                await self.between()
            return result

        database.maintain = watched  # type: ignore[method-assign]

    def steady(self) -> float:
        return (self.clock.now - self.jumped) / 1000

    def upkeep(self, keep: int | None = None, max_size: int | None = None, **more: Any) -> Upkeep:
        return Upkeep(
            self.database,
            Keeping(keep, max_size=max_size, **more),
            clock=self.clock,
            every=0.001,
            steady=self.steady,
        )

    async def put(self, *channels: str, ts: int = 1, value: str = "1") -> None:
        entries = [
            (self.catalog.series("telemetry", "k", channel), ts, value, "") for channel in channels
        ]
        statements = self.catalog.take_unsaved()
        await self.database.write(lambda db: batch.append(db, self.seq + 1, entries, statements))
        self.seq += len(entries)

    async def seqs(self, table: str = "frames") -> list[int]:
        return await self.database.read(
            lambda db: [row[0] for row in db.execute(f"SELECT seq FROM {table} ORDER BY seq")]
        )

    async def meta(self, key: str) -> int:
        return await self.database.read(lambda db: history.meta(db, key))


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store whose upkeep works in runs of 50 and slices of 7."""
    monkeypatch.setattr(upkeep, "FOLD_AT_ONCE", 50)
    monkeypatch.setattr(upkeep, "SLICE_ROWS", SLICE)
    database = await Database.open(tmp_path / "a.db", durability="normal")
    yield Store(database)
    await database.close()


async def test_fold(store: Store) -> None:
    """After a fold every frame is in the index, and it took short slices."""
    for _ in range(3):
        await store.put(*"abcab" * 12)
    await store.upkeep().fold()
    assert await store.seqs("frames_by_time") == await store.seqs() == list(range(1, 181))
    assert await store.meta("folded") == 180
    assert SLICE < max(store.slices) <= ENTERED
    store.slices.clear()
    await store.upkeep().fold()
    assert store.slices == []


async def test_fold_ends_though_frames_keep_coming(store: Store) -> None:
    """Under load a fold takes what was there when it began: prune and checkpoint get their turn."""
    await store.put(*"a" * 120)
    store.between = lambda: store.put("a", "b")
    await asyncio.wait_for(store.upkeep().fold(), 20)
    assert await store.meta("folded") == 120
    assert store.seq > 120


async def test_a_fold_that_was_interrupted(store: Store) -> None:
    """After a crash in the middle the next fold makes the index whole."""
    await store.put(*"abc" * 10)

    def crash() -> None:
        if len(store.slices) == 2:
            raise KeyboardInterrupt

    store.between = lambda: asyncio.sleep(0, crash())
    with pytest.raises(KeyboardInterrupt):
        await store.upkeep().fold()
    store.between = None
    assert await store.meta("folded") == 0
    assert len(await store.seqs("frames_by_time")) == 2 * (SLICE // 2)
    await store.upkeep().fold()
    assert await store.seqs("frames_by_time") == list(range(1, 31))


async def test_step_folds_when_it_is_due(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run is folded at once, a short one after a while."""
    worker = store.upkeep()
    await store.put("a")
    await worker.step()
    assert await store.meta("folded") == 0
    await store.put(*"a" * 49)
    await worker.step()
    assert await store.meta("folded") == 50
    await store.put("a")
    monkeypatch.setattr(upkeep, "FOLD_EVERY", 0.0015)
    await worker.step()
    assert await store.meta("folded") == 50
    await worker.step()
    assert await store.meta("folded") == 51


async def test_prune_by_age(store: Store) -> None:
    """What came more than `keep` ago goes, but for the last frame of each series; the floor says
    so.
    """
    worker = store.upkeep(keep=10 * 60_000)
    await store.put("old", *"ab" * 60)
    await worker.fold()
    await worker.prune()  # notes when this was reached
    store.clock.pass_minutes(9)
    await store.put(*"a" * 30)
    await worker.fold()
    await worker.prune()
    assert await store.meta("floor") == 0
    store.clock.pass_minutes(2)
    store.slices.clear()
    await worker.prune()
    assert await store.meta("floor") == 121
    # 1 is the last of `old`, 121 of `b`; the last of `a` is above the floor anyway.
    assert await store.seqs() == await store.seqs("frames_by_time") == [1, 121, *range(122, 152)]
    assert max(store.slices) == SLICE
    assert await store.database.read(lambda db: history.after(db, 0, 151, None, 5)) == (
        [
            (seq, store.catalog.series("telemetry", "k", "a").id, 1, "1", "")
            for seq in range(122, 127)
        ],
        126,
        121,
    )
    latest = {row[0] for row in (await store.database.read(history.opened)).latest}
    assert latest == {1, 121, 151}


async def test_the_last_is_by_time(store: Store) -> None:
    """What stays of a series is its latest by (ts, seq), not the one that came last."""
    await store.put("a", ts=9)
    await store.put("a", "a", ts=3)
    worker = store.upkeep(keep=60_000)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(2)
    await worker.prune()
    assert await store.seqs() == [1]
    await store.put("a", ts=10)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(2)
    await worker.prune()
    assert await store.seqs() == [4]


async def test_what_is_not_folded_is_not_pruned(store: Store) -> None:
    """Prune leaves to fold what fold has not done yet."""
    worker = store.upkeep(keep=0)
    await store.put(*"a" * 20)
    await worker.fold()
    await store.put(*"a" * 20)
    await worker.prune()
    store.clock.pass_minutes(1)
    await worker.prune()
    assert await store.meta("floor") == 20
    assert len(await store.seqs()) == 21


async def test_prune_by_size(store: Store) -> None:
    """The file's content stays below the bound, the oldest goes first, and no more than need be."""
    worker = store.upkeep(max_size=400_000)
    for _ in range(30):
        await store.put(*"abc" * 10, value=f'"{"x" * 1_000}"')
    await worker.fold()
    store.slices.clear()
    await worker.prune()
    used = await store.database.read(sizes.used)
    assert 200_000 < used <= 400_000
    seqs = await store.seqs()
    floor = await store.meta("floor")
    assert seqs == list(range(floor + 1, 901))
    assert await store.seqs("frames_by_time") == seqs
    assert max(store.slices) <= SLICE


async def test_a_bound_that_cannot_be_kept(store: Store) -> None:
    """Where everything that may go is gone, prune ends; the last of each series stays."""
    await store.put(*"abc" * 30)
    worker = store.upkeep(max_size=1)
    await worker.fold()
    for _ in range(10):  # each look gives up where what it takes away frees nothing
        await asyncio.wait_for(worker.prune(), 20)
    assert await store.seqs() == [88, 89, 90]
    await asyncio.wait_for(worker.prune(), 20)
    assert await store.meta("floor") == 90


async def test_an_old_frame_that_stays_costs_nothing(store: Store) -> None:
    """A series that fell silent long ago does not make each prune walk over all that was
    between.
    """
    await store.put("silent")
    worker = store.upkeep(keep=60_000)
    for _ in range(5):
        await store.put(*"a" * 200)
        await worker.fold()
        await worker.prune()
        store.clock.pass_minutes(2)
    store.slices.clear()
    await worker.prune()
    assert (await store.seqs())[0] == 1
    assert len(store.slices) < 2 * 201 / SLICE + 20


async def test_seq_is_never_used_again(store: Store) -> None:
    """Not even where every frame is gone and the file is opened anew."""
    await store.put(*"ab" * 20)
    hidden = store.catalog.hide("k")
    await store.database.write(lambda db: batch.append(db, 1_000_000, [], [hidden]))
    worker = store.upkeep(keep=0)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(1)
    await worker.prune()
    assert await store.seqs() == []
    again = open_sync(store.database.path)
    opened = history.opened(again)
    again.close()
    assert (opened.seq, opened.series, opened.latest) == (40, [], [])
    assert opened.last_series == 2
    await store.put("c")
    assert await store.seqs() == [41]


async def test_a_prune_that_was_interrupted(store: Store) -> None:
    """After a crash in the middle the floor stands, and the next prune takes what was left."""
    worker = store.upkeep(keep=0)
    await store.put(*"a" * 40)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(1)
    store.slices.clear()

    def crash() -> None:
        if len(store.slices) == 10:
            raise KeyboardInterrupt

    store.between = lambda: asyncio.sleep(0, crash())
    with pytest.raises(KeyboardInterrupt):
        await worker.prune()
    store.between = None
    assert await store.meta("floor") == 40
    assert 1 < len(await store.seqs()) < 40
    await store.put(*"a" * 10)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(2)
    await worker.prune()
    assert await store.seqs() == await store.seqs("frames_by_time") == [50]


async def test_the_log_begins_again(store: Store) -> None:
    """A write-ahead log above its bound goes into the file, and the next commit makes it small."""
    log = Path(f"{store.database.path}-wal")
    large = f'"{"x" * 100_000}"'
    while log.stat().st_size <= upkeep.CHECKPOINT_BYTES:
        await store.put(*"ab" * 10, value=large)
    await store.upkeep().step()
    await store.put("a")
    assert log.stat().st_size <= LOG_BYTES
    assert len(await store.seqs()) == store.seq


async def test_the_log_of_a_long_run_stays_short(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold and prune let the log begin again between their slices, not only at their end."""
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 100_000)
    log = Path(f"{store.database.path}-wal")
    for _ in range(40):
        await store.put(*map(str, range(50)))
    sizes: list[int] = []

    async def measure() -> None:
        sizes.append(log.stat().st_size)

    await store.upkeep().checkpoint()
    await store.put("0")
    start = log.stat().st_size
    store.between = measure
    await store.upkeep(keep=0).fold()
    assert len(sizes) > 100
    assert max(sizes) < start + 300_000


async def test_queries_are_right_at_every_moment(store: Store) -> None:
    """While frames come in, are folded and pruned, each query sees one moment, and that whole."""
    worker = store.upkeep(keep=2 * 60_000)
    looked = 0

    def look(db: sqlite3.Connection) -> None:
        floor, newest = history.floor(db), history.newest(db)
        page = history.after(db, 0, newest, None, 10_000)
        assert page.floor == floor
        assert [row[0] for row in page.rows] == list(range(floor + 1, newest + 1))
        series = [row[0] for row in db.execute("SELECT id FROM series")]
        ordered = sorted(page.rows, key=lambda row: (row[2], row[0]))
        for newest_first in (False, True):
            rows = history.by_time(db, series, ALL, 10_000, newest_first=newest_first)
            assert len({row[0] for row in rows}) == len(rows)
            expected = ordered[::-1] if newest_first else ordered
            assert [row for row in rows if row[0] > floor] == expected
        for step in (1, WHOLE):  # aggregates hold what is pruned, too
            buckets = [
                b for number in series for b in series_table.buckets(db, [number], ALL, step)
            ]
            there = len(history.by_time(db, series, ALL, 10_000))
            assert sum(b.total for b in buckets) == (newest if step == WHOLE else there)
        latest = {row[1]: row for row in history.opened(db).latest}
        assert sorted(latest) == sorted(series)
        for row in ordered:
            assert (latest[row[1]][2], latest[row[1]][0]) >= (row[2], row[0])

    async def reader() -> None:
        nonlocal looked
        while True:
            await store.database.read(look)
            looked += 1

    async def writer() -> None:
        for number in count():
            if (number >= 120 and looked >= 20) or any(task.done() for task in reading):
                break
            await store.put(*"abcd"[: 1 + number % 4] * 3, ts=number * 7 % 50)
            store.clock.pass_minutes(1 - number % 2)

    reading = [asyncio.create_task(reader()) for _ in range(2)]
    writing = asyncio.create_task(writer())
    while not writing.done() and not any(task.done() for task in reading):
        await worker.fold()
        await worker.prune()
    for task in reading:
        task.cancel()
    results = await asyncio.gather(*reading, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results
    await writing
    assert await store.meta("floor") > 0
    assert max(store.slices) <= ENTERED  # the floor, the seq and the marks are moved together


async def test_a_disk_that_refuses(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Upkeep says once that it waits, and goes on by itself."""
    refusals = 3
    prune = store.database.maintain

    async def refusing(work: Callable[[sqlite3.Connection], T], *, writing: bool) -> T:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise StoreError("database or disk is full")
        return await prune(work, writing=writing)

    store.database.maintain = refusing  # type: ignore[method-assign]
    await store.put(*"a" * 60)
    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(store.upkeep().run())
        async with asyncio.timeout(20):
            while await store.meta("folded") < 60:
                await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    assert [record.getMessage() for record in caplog.records] == [
        "upkeep waits for the database: database or disk is full"
    ]


async def test_a_clock_that_is_ahead_for_a_while_removes_nothing(store: Store) -> None:
    """Nor does what it marked keep retention off afterwards (100 days ahead for eight seconds)."""
    keep = 90 * 24 * 3600_000
    worker = store.upkeep(keep=keep)
    await store.put(*"ab" * 30)
    await worker.fold()
    store.clock.pass_minutes(61)
    await worker.prune()
    ahead = 100 * 24 * 3600_000
    store.clock.now += ahead
    store.jumped += ahead
    for _ in range(8):
        await store.put("a")
        await worker.fold()
        await worker.prune()
        store.clock.now += 1_000
    assert len(await store.seqs()) == 68
    store.clock.now -= ahead
    store.jumped -= ahead
    await worker.prune()
    store.clock.pass_minutes(61)
    await worker.prune()
    marks = await store.database.read(lambda db: db.execute("SELECT at FROM marks").fetchall())
    assert all(at <= store.clock.now for (at,) in marks)
    assert len(await store.seqs()) == 68


async def test_what_is_no_history_pushes_no_frame_out(store: Store) -> None:
    """A queue that somebody lets grow is not counted against the frames of everybody."""
    await store.put(*"ab" * 30)
    worker = store.upkeep(max_size=400_000)
    await worker.fold()
    await store.database.write(
        lambda db: db.executemany(
            "INSERT INTO broker_messages VALUES (?, 't', ?, NULL, NULL)",
            [(b"%d" % number, b"x" * 10_000) for number in range(100)],
        )
    )
    await worker.prune()
    assert await store.database.read(sizes.used) > 1_000_000
    assert len(await store.seqs()) == 60


async def test_series_of_removed_devices_go_with_their_last_frame(store: Store) -> None:
    """Devices that come and go leave no row for ever; numbers are not given out again."""
    await store.put("a", "b")
    hidden = store.catalog.hide("k")
    await store.database.write(lambda db: batch.append(db, 1_000_000, [], [hidden]))
    await store.put("c")
    worker = store.upkeep(keep=0)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(1)
    await worker.prune()
    rows = await store.database.read(lambda db: db.execute("SELECT id FROM series").fetchall())
    assert rows == [(3,)]


@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
async def test_a_file_that_is_not_in_its_place_takes_nothing(store: Store, what: str) -> None:
    """What would be lost with the file is not taken in; once it is back, all goes on."""
    worker = store.upkeep()
    path = store.database.path
    aside = path.with_name("aside.db")
    await store.put("a")
    path.rename(aside)
    if what == "replaced":
        path.write_bytes(b"")
    await worker.step()
    assert store.database.trouble is not None
    with pytest.raises(StoreError, match="moved, deleted or replaced"):
        await store.put("a")
    if what == "deleted":
        aside.unlink()
        return
    aside.replace(path)
    await worker.step()
    await store.put("a")
    assert await store.seqs() == [1, 2]
