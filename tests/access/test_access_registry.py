"""The registry in memory: it follows the database, whoever writes."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from gateway.access import accounts, devices, sessions, tokens
from gateway.access.keys import digest
from gateway.access.registry import Registry
from gateway.errors import Conflict
from gateway.store.registry import Change, Tidying

OTHER_PROCESS = """
import sys
from pathlib import Path
from gateway.access import devices
from gateway.store.audit import (By)
from gateway.stores import open_direct
with open_direct(Path(sys.argv[1])) as store, store.transaction() as db:
    devices.remove(db, By("other process", "", 1), "old")
    devices.create(db, By("other process", "", 1), id="new")
"""


async def test_what_is_applied_can_be_looked_up_at_once(access):
    """`apply` returns when the record is in memory."""
    user = await access.do(accounts.create, email="ann@example.com", password=None)
    issued = await access.do(devices.create, id="kitchen", owner=user.id)
    assert access.registry.devices["kitchen"] == issued.record
    assert access.registry.user_of(" ANN@example.com") == user
    token = (await access.do(tokens.create, user=user.id, scope="read")).record
    assert access.registry.token_of(token.hash) == token
    assert access.registry.session_of(token.hash) is None
    assert access.changes == [
        ("user", "1", False),
        ("device", "kitchen", False),
        ("token", "1", False),
    ]


async def test_what_fails_changes_nothing(access):
    """An error undoes the transaction, audit and all."""
    await access.do(devices.create, id="kitchen")
    with pytest.raises(Conflict):
        await access.do(devices.create, id="kitchen")
    assert len(access.changes) == 1


async def test_another_process_is_seen_within_two_seconds(access):
    """What the command line writes arrives by polling."""
    await access.do(devices.create, id="old")
    seen = asyncio.Event()
    access.registry.on_change(lambda change: seen.set() if change.key == "new" else None)
    running = asyncio.create_task(access.registry.run())
    command = [sys.executable, "-c", OTHER_PROCESS, str(access.path)]
    await asyncio.to_thread(subprocess.run, command, check=True)
    async with asyncio.timeout(2):
        await seen.wait()
    running.cancel()
    assert set(access.registry.devices) == {"new"}
    assert access.changes[-2:] == [Change("device", "old", True), Change("device", "new", False)]


async def test_a_device_that_is_replaced_between_two_looks_is_told_as_gone_first(access):
    """Links of the old device are cut off although the id is there again."""
    await access.do(devices.create, id="kitchen")

    def replace(db):
        devices.remove(db, access.by, "kitchen")
        devices.create(db, access.by, id="kitchen")

    await access.store.registry.apply(replace)
    await access.registry.refresh()
    assert access.changes[1:] == [("device", "kitchen", True), ("device", "kitchen", False)]


async def test_a_registry_that_missed_changes_reads_everything(access):
    """After trimmed changes it tells the difference."""
    await access.do(devices.create, id="old")
    await access.do(devices.create, id="same")

    def behind(db):
        db.devices.delete("old")
        devices.create(db, access.by, id="new")

    await access.store.registry.apply(behind)
    await access.store.registry.tidy(Tidying({}, 0, 0, 100))
    await access.registry.refresh()
    assert set(access.changes[2:]) == {("device", "old", True), ("device", "new", False)}
    assert set(access.registry.devices) == {"same", "new"}


async def test_a_registry_starts_with_what_is_stored(access):
    """`load` reads what an earlier gateway left."""
    user = await access.do(accounts.create, email="ann@example.com", password=None)
    session = await access.do(sessions.open_session, user.id)
    later = Registry(access.store.registry, clock=access.clock)
    await later.load()
    await later.refresh()
    assert later.users == access.registry.users
    assert later.session_of(digest(session.secret)) == session.record


async def test_many_changes_at_once_end_in_the_newest(access):
    """Refreshes that overlap never leave an older record."""
    await access.do(devices.create, id="kitchen")
    names = [f"n{number}" for number in range(30)]
    await asyncio.gather(*(access.do(devices.change, "kitchen", name=name) for name in names))
    stored = await access.registry.ask(devices.find, "kitchen")
    assert access.registry.devices["kitchen"] == stored


async def test_expiry_is_told_once(access):
    """A token that runs out ends its links without anybody writing."""
    user = await access.do(accounts.create, email="ann@example.com", password=None)
    issued = await access.do(
        tokens.create, user=user.id, scope="read", expires=access.clock.now + 1000
    )
    principal = access.sign_in.token(issued.secret)
    access.changes.clear()
    access.clock.now += 999
    await access.registry.refresh()
    assert access.registry.stands(principal)
    assert access.changes == []
    access.clock.now += 1
    await access.registry.refresh()
    await access.registry.refresh()
    assert not access.registry.stands(principal)
    assert access.changes == [("token", "1", True)]


async def test_last_use_is_kept_in_batches(access):
    """A use is seen at once; `tidy` writes it."""
    user = await access.do(accounts.create, email="ann@example.com", password=None)
    issued = await access.do(tokens.create, user=user.id, scope="read")
    access.clock.now += 5
    access.sign_in.token(issued.secret)
    assert access.registry.tokens[issued.record.id].last_used == access.clock.now
    await access.registry.tidy()
    stored = await access.registry.ask(tokens.find, issued.record.id)
    assert stored.last_used == access.clock.now


async def test_tidying_keeps_the_changes_that_others_may_need(access):
    """A thousand changes stay, older ones go."""
    await access.do(devices.create, id="kitchen")
    for number in range(1100):
        await access.store.registry.apply(devices.change, access.by, "kitchen", name=f"n{number}")
    await access.registry.refresh()
    await access.registry.tidy()
    count = await access.store._database.read(
        lambda db: db.execute("SELECT count(*) FROM changes").fetchone()[0]
    )
    assert count == 1000


async def test_a_device_that_is_given_away_is_told(access):
    """Once, and not when it is renamed, made or removed."""
    ann, bob = [
        await access.do(accounts.create, email=f"{name}@example.com", password=None)
        for name in ("ann", "bob")
    ]
    told = []
    access.registry.on_transfer(told.append)
    await access.do(devices.create, id="kitchen", owner=ann.id)
    await access.do(devices.change, "kitchen", name="Kitchen")
    assert told == []
    await access.do(devices.change, "kitchen", owner=bob.id)
    assert told == ["kitchen"]
    await access.do(devices.remove, "kitchen")
    assert told == ["kitchen"]
