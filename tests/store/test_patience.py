"""Work that goes on although the database refuses now and then."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from gateway.store.patience import repeat


async def test_each_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Once for as long as it lasts, and again after the work was done in between."""
    answers = iter(["full", "full", "", "locked", ""])
    over = asyncio.Event()

    async def work() -> None:
        answer = next(answers, None)
        if answer is None:
            over.set()
        elif answer:
            raise sqlite3.OperationalError(answer)

    task = asyncio.create_task(repeat(work, 0, "upkeep"))
    await asyncio.wait_for(over.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
    assert [record.getMessage() for record in caplog.records] == [
        "upkeep waits for the database: full",
        "upkeep waits for the database: locked",
    ]


async def test_any_other_mistake_is_not_waited_out() -> None:
    """What is no refusal ends the work."""

    async def work() -> None:
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="of ours"):
        await repeat(work, 0, "upkeep")
