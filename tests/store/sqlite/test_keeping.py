"""Times of keeping: frames with one of their own, minutes, hours and days, and what goes first when
there is too much.
"""

import sqlite3

import pytest

from gateway.store.history import Span
from gateway.store.keeping import Exemption, Keeping
from gateway.store.series import LEVELS, WHOLE
from gateway.store.sqlite import aggregates, history, series
from gateway.store.sqlite import upkeep as upkeep_module
from gateway.store.sqlite.upkeep import Upkeep
from gateway.topics import TopicFilter
from tests.store.sqlite.test_upkeep import Store, store

__all__ = ["store"]  # a fixture

MINUTE, HOUR, DAY = LEVELS


def upkeep(store: Store, **kept: object) -> Upkeep:
    """What keeps a store in shape, with a clock that is believed at once."""
    return Upkeep(
        store.database,
        Keeping(**kept),  # type: ignore[arg-type]
        clock=store.clock,
        every=0.001,
        steady=store.steady,
    )


async def levels(store: Store) -> list[tuple[int, int]]:
    """How many buckets there are of each level."""
    sql = "SELECT level, count(*) FROM aggregates GROUP BY level"
    return await store.database.read(lambda db: db.execute(sql).fetchall())


async def pass_time(store: Store, worker: Upkeep, minutes: int) -> None:
    """Let time pass, minute by minute at the end, so that the clock is believed."""
    store.clock.pass_minutes(minutes)
    await worker.prune()
    store.clock.pass_minutes(1)
    await worker.prune()


async def test_a_channel_with_a_time_of_its_own(store: Store) -> None:
    """The first that matches counts; others' frames stay; cursors are told what is gone."""
    exempt = (
        Exemption(TopicFilter("k/raw"), 5 * MINUTE),
        Exemption(TopicFilter("k/+"), None),
    )
    worker = upkeep(store, frames=60 * MINUTE, exemptions=exempt)
    await store.put(*"ab" * 3, *["raw"] * 4, ts=store.clock.now)
    await worker.fold()
    await worker.prune()
    await pass_time(store, worker, 10)
    assert await store.seqs() == await store.seqs("frames_by_time") == [1, 2, 3, 4, 5, 6, 10]
    raw = store.catalog.series("telemetry", "k", "raw").id
    after = history.after

    def pages(db: sqlite3.Connection) -> list[int]:
        return [
            after(db, 0, 10, None, 100).floor,
            after(db, 0, 10, [raw], 100).floor,
            after(db, 0, 10, [1], 100).floor,
            after(db, 9, 10, [raw], 100).floor,
        ]

    assert await store.database.read(pages) == [9, 9, 0, 0]
    page = await store.database.read(lambda db: after(db, 0, 10, None, 100))
    assert [row[0] for row in page.rows] == [1, 2, 3, 4, 5, 6, 10]
    await store.put("c", ts=store.clock.now)
    await worker.fold()
    await pass_time(store, worker, 200)
    assert await store.seqs() == [1, 2, 3, 4, 5, 6, 10, 11]
    buckets = await store.database.read(lambda db: series.buckets(db, [raw], Span(0, WHOLE), WHOLE))
    assert [bucket.total for bucket in buckets] == [4]


async def test_aggregates_by_age(store: Store) -> None:
    """Minutes go, hours stay: answers come from what is left."""
    start = store.clock.now // DAY * DAY
    for minute in range(150):
        await store.put("a", ts=start + minute * MINUTE)
    store.clock.now = start + 150 * MINUTE
    worker = upkeep(store, minutes=30 * MINUTE)
    await worker.fold()
    assert await levels(store) == [(0, 150), (1, 3), (2, 1)]
    await pass_time(store, worker, 15)
    assert await levels(store) == [(0, 14), (1, 3), (2, 1)]
    extent = await store.database.read(lambda db: series.extent(db, [1]))
    assert extent is not None
    assert extent.begins.minutes == start + 136 * MINUTE
    worker = upkeep(store, minutes=1, hours=1, days=None)
    await pass_time(store, worker, 60)
    assert await levels(store) == [(2, 1)]


async def test_frames_go_first_then_minutes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much: every frame that may go, then the oldest minutes, as many as need be."""
    monkeypatch.setattr(upkeep_module, "IN_VAIN", 1_000)
    for day in range(20):
        await store.put(*["a"] * 2, ts=day * DAY, value="1")
        for minute in range(60):
            await store.put("a", ts=day * DAY + minute * MINUTE, value="123.456")
    await upkeep(store).fold()
    await upkeep(store, max_size=1).prune()
    assert len(await store.seqs()) == 1
    assert await levels(store) == [(1, 20), (2, 20)]


async def test_removed_devices_lose_their_aggregates(store: Store) -> None:
    """Also where their frames stay for long; those of others stay."""
    await store.put("a", "b", ts=1)
    worker = upkeep(store)
    await worker.fold()
    await store.database.write(
        lambda db: db.execute("UPDATE series SET hidden = 1 WHERE channel = 'a'")
    )
    await worker.prune()
    sql = "SELECT DISTINCT series FROM aggregates"
    assert await store.database.read(lambda db: db.execute(sql).fetchall()) == [(2,)]
    assert await store.seqs() == [1, 2]


async def test_what_the_aggregates_do_not_have_is_not_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older database loses no frame before it counts."""
    monkeypatch.setattr(upkeep_module, "IN_VAIN", 1_000)
    await store.put(*"a" * 20, ts=1)
    await store.database.write(
        lambda db: db.execute("INSERT INTO frames_by_time SELECT series, ts, seq FROM frames")
    )
    await store.database.write(
        lambda db: db.execute("UPDATE meta SET value = 20 WHERE key = 'folded'")
    )
    worker = upkeep(store, frames=0, max_size=1)
    await worker.prune()
    assert len(await store.seqs()) == 20
    while await store.database.read(aggregates.behind):
        await worker.catch_up()
    await worker.prune()
    assert await store.seqs() == [20]
    buckets = await store.database.read(lambda db: series.buckets(db, [1], Span(0, 9), WHOLE))
    assert sum(bucket.total for bucket in buckets) == 20
