"""Who waits goes on when it is settled, or when the time is over, and leaves nothing behind."""

from __future__ import annotations

import asyncio

from gateway.waiters import Waiters


async def test_all_who_wait_for_it_go_on() -> None:
    """Those who wait for something else stay."""
    waiters = Waiters()
    one, two, other = (asyncio.create_task(waiters.wait(key, 60)) for key in ("a", "a", "b"))
    while len(waiters) < 3:
        await asyncio.sleep(0)
    waiters.settle("a")
    waiters.settle("a")
    await asyncio.gather(one, two)
    assert not other.done()
    assert len(waiters) == 1
    other.cancel()
    await asyncio.wait([other])
    assert len(waiters) == 0


async def test_the_time_is_over() -> None:
    """It returns all the same; a settlement that comes later is for nobody."""
    waiters = Waiters()
    await waiters.wait("a", 0)
    assert len(waiters) == 0
    waiters.settle("a")
