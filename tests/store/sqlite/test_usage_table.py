"""What history takes of the disk, counted."""

from gateway.store.sqlite.usage import usage
from tests.store.sqlite.test_upkeep import Store, store

__all__ = ["store"]  # a fixture


async def test_usage(store: Store) -> None:
    """Frames and buckets of each channel, the largest first; the rate is that of the marks."""
    worker = store.upkeep()
    await store.put(*"a" * 3, "b", ts=1)
    await worker.fold()
    await worker.prune()
    store.clock.pass_minutes(60)
    await store.put(*"a" * 2, ts=60_001)
    await worker.fold()
    now = store.clock.now
    found = await store.database.read(lambda db: usage(db, now))
    shown = [(c.channel, c.frames, c.minutes, c.hours, c.days) for c in found.channels]
    assert shown == [("a", 5, 2, 1, 1), ("b", 1, 1, 1, 1)]
    assert found.frames_a_day == 2 * 24
    assert found.bytes_a_day is not None
    assert found.since == now - 60 * 60_000
    assert min(found.bytes, found.free, found.bytes_a_day) > 0
