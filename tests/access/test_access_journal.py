"""The journal takes deeds at any rate and writes them in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.access.journal import AGAIN, FAILURES, WAITING
from gateway.access.principal import of_claim
from gateway.errors import StoreError

if TYPE_CHECKING:
    from gateway.store.audit import Entry


async def entries(access) -> list[Entry]:
    """Return what is in the audit, oldest first."""
    await access.journal.flush()
    return (await access.store.audit.read(None, 10_000))[::-1]


async def test_deeds_are_written_in_order(access):
    """A command of a user is noted with what belongs to it."""
    access.journal.note("user:1", "command", "device:kitchen", "10.0.0.1", name="led")
    access.journal.note("user:1", "command", "device:hall")
    found = await entries(access)
    assert [entry.object for entry in found] == ["device:kitchen", "device:hall"]
    assert (found[0].actor, found[0].address, found[0].detail) == (
        "user:1",
        "10.0.0.1",
        {"name": "led"},
    )
    assert await entries(access) == found


async def test_a_flood_is_counted(access):
    """Memory is bounded; what is lost is told."""
    for number in range(WAITING + 7):
        access.journal.note("user:1", "command", f"device:{number}")
    for number in range(FAILURES + 5):
        access.journal.failed(f"name{number}", "10.0.0.1")
    found = await entries(access)
    assert len(found) == WAITING + FAILURES + 1
    assert found[-1].detail == {"count": 12}


async def test_signing_in_again_is_noted_after_an_hour(access):
    """A device that flaps does not fill the audit."""
    for _ in range(3):
        access.journal.signed_in(of_claim("b"), "10.0.0.1")
    access.clock.now += AGAIN
    access.journal.signed_in(of_claim("b"), "10.0.0.1")
    access.journal.signed_in(of_claim("b"), "10.0.0.2")
    assert len(await entries(access)) == 3


async def test_what_a_refusing_database_costs_is_counted(access, monkeypatch):
    """Memory does not grow while the disk is full."""

    async def refuse(work):
        raise StoreError("disk is full")

    access.journal.note("user:1", "command")
    access.journal.failed("x", "10.0.0.1")
    with monkeypatch.context() as patch:
        patch.setattr(access.store.audit, "append", refuse)
        with pytest.raises(StoreError):
            await access.journal.flush()
    (found,) = await entries(access)
    assert (found.action, found.detail) == ("not noted", {"count": 2})


async def test_a_full_disk_does_not_hinder_the_stop(access, monkeypatch, caplog):
    """What cannot be written at the end is one line in the log, and no traceback."""

    async def refuse(work):
        raise StoreError("disk is full")

    access.journal.note("user:1", "command")
    with monkeypatch.context() as patch:
        patch.setattr(access.store.audit, "append", refuse)
        await access.journal.close()
    (line,) = caplog.records
    assert line.getMessage() == "the audit lost 1 entries at the stop: disk is full"
    assert line.exc_info is None
