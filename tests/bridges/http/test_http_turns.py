"""Turns at reading history: so many for one user at a time."""

import asyncio

import pytest

from gateway.access.principal import Principal
from gateway.bridges.edge.sender import PRINCIPAL
from gateway.bridges.http.turns import Turns
from gateway.errors import TooMany


def token(number, owner):
    """A request by a token of a user."""
    return {PRINCIPAL: Principal(key=f"token:{number}", name="t", scope="read", owner=owner)}


class Reads:
    """Reads that go on until they are let go."""

    def __init__(self, turns):
        self.turns, self.go, self.under_way = turns, asyncio.Event(), []

    async def read(self, who):
        async with self.turns.of(who):
            self.under_way.append(who)
            await self.go.wait()

    def begin(self, *whose):
        return [asyncio.create_task(self.read(who)) for who in whose]


async def settled():
    """Let all that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_user_waits_for_their_own_turn():
    """With whichever token; another user does not wait for them."""
    reads = Reads(Turns(2))
    mine = [token(number, 1) for number in range(5)]
    tasks = reads.begin(*mine, other := token(9, 2))
    await settled()
    assert reads.under_way == [*mine[:2], other]
    reads.go.set()
    await asyncio.gather(*tasks)
    assert len(reads.under_way) == 6
    assert len(reads.turns) == 0


async def test_who_waits_is_bounded():
    """A further one is refused."""
    reads = Reads(Turns(1, waiting=2))
    tasks = reads.begin(*[token(1, 1)] * 3)
    await settled()
    with pytest.raises(TooMany):
        await reads.read(token(1, 1))
    reads.go.set()
    await asyncio.gather(*tasks)


async def test_who_gives_up_leaves_their_turn():
    """A request that was cancelled holds nobody up."""
    reads = Reads(Turns(1))
    first, second, third = reads.begin(*[token(1, 1)] * 3)
    await settled()
    second.cancel()
    first.cancel()
    await settled()
    assert len(reads.under_way) == 2
    reads.go.set()
    await asyncio.wait([first, second, third])
    assert len(reads.turns) == 0
