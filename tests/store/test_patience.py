"""Work that goes on although the database refuses now and then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.store.patience import repeat

if TYPE_CHECKING:
    import pytest


async def test_each_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Once for as long as it lasts, and again after the work was done in between."""
    answers = iter(["full", "full", "", "locked", ""])
    over = asyncio.Event()

    async def work() -> None:
        answer = next(answers, None)
        if answer is None:
            over.set()
        elif answer:
            raise StoreError(answer)

    task = asyncio.create_task(repeat(work, 0, "upkeep"))
    await asyncio.wait_for(over.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
    assert [record.getMessage() for record in caplog.records] == [
        "upkeep waits for the database: full",
        "upkeep waits for the database: locked",
    ]


async def test_a_mistake_is_logged_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Work that only notes things never ends the gateway."""
    tries = asyncio.Queue[int]()

    async def work() -> None:
        tries.put_nowait(1)
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    task = asyncio.create_task(repeat(work, 0, "the audit"))
    for _ in range(3):
        await asyncio.wait_for(tries.get(), 10)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert [record.getMessage() for record in caplog.records] == [
        "the audit fails and is tried again"
    ]
    assert "surrogates not allowed" in caplog.text
