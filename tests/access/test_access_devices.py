"""What can be done to devices."""

from __future__ import annotations

import re

import pytest

from gateway.access import accounts, devices
from gateway.access.devices import MOST_PENDING
from gateway.access.keys import digest
from gateway.access.registry import PENDING_FOR
from gateway.errors import Conflict, Invalid, NotFound, TooMany, Unauthenticated


async def test_a_device_is_made_with_a_key_that_is_shown_once(access):
    """Only its hash is kept."""
    issued = await access.do(
        devices.create, id="kitchen", name="Kitchen", type="thermostat", grants=["home/#"]
    )
    assert len(issued.secret) >= 22  # 128 bits in base64
    assert issued.record.key_hash == digest(issued.secret)
    assert issued.record.grants == ("home/#",)
    stored = await access.store._database.read(lambda db: "".join(map(repr, db.iterdump())))
    assert issued.secret not in stored


async def test_ids_and_keys_in_the_style_of_iotcommunicate(access):
    """20 and 15 of A-Z0-9; otherwise an id of the gateway's own."""
    issued = await access.do(devices.create, style="iotcommunicate")
    assert re.fullmatch("[A-Z0-9]{20}", issued.record.id)
    assert re.fullmatch("[A-Z0-9]{15}", issued.secret)
    again = await access.do(devices.replace_key, issued.record.id)
    assert re.fullmatch("[A-Z0-9]{15}", again.secret)
    assert again.secret != issued.secret
    assert re.fullmatch("device-[0-9a-f]{16}", (await access.do(devices.create)).record.id)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"id": "a b"}, {"id"}), ({"id": "x" * 65}, {"id"}), ({"id": "token"}, {"id"}),
        ({"id": "claim"}, {"id"}),
        ({"name": "a\nb"}, {"name"}), ({"type": "x" * 201}, {"type"}),
        ({"grants": ["a/#/b"]}, {"topics"}),
        ({"grants": ["$SYS/#"]}, {"topics"}), ({"grants": ["a"] * 101}, {"topics"}),
        ({"owner": 99}, {"owner"}),
        ({"id": "/", "name": "\x00", "grants": [""]}, {"id", "name", "topics"}),
    ],
)  # fmt: skip
async def test_every_wrong_field_is_named(access, fields, wrong):
    """All of them at once, and nothing is made."""
    with pytest.raises(Invalid) as caught:
        await access.do(devices.create, **fields)
    assert set(caught.value.fields) == wrong
    assert access.registry.devices == {}


async def test_an_id_that_exists_is_a_conflict(access):
    """The field is named."""
    await access.do(devices.create, id="kitchen")
    with pytest.raises(Conflict) as caught:
        await access.do(devices.create, id="kitchen")
    assert caught.value.fields == {"id": "exists already"}


async def test_what_is_given_changes_and_nothing_else(access):
    """An owner of None is given, too: the admins'."""
    ann = await access.do(accounts.create, email="ann@example.com", password=None)
    await access.do(devices.create, id="kitchen", name="Old", owner=ann.id)
    changed = await access.do(devices.change, "kitchen", name="New", grants=["a/+"])
    assert (changed.name, changed.grants, changed.owner) == ("New", ("a/+",), ann.id)
    changed = await access.do(devices.change, "kitchen", owner=None, disabled=True)
    assert (changed.name, changed.owner, changed.disabled) == ("New", None, True)
    assert await access.do(devices.change, "kitchen") == changed


@pytest.mark.parametrize("work", [devices.change, devices.remove, devices.replace_key])
async def test_a_device_that_is_not_there(access, work):
    """It is not found, and not made either."""
    with pytest.raises(NotFound):
        await access.do(work, "nothing")


async def test_a_board_announces_itself_and_waits(access):
    """Until an owner approves it its key opens nothing."""
    ann = await access.do(accounts.create, email="ann@example.com", password=None)
    issued = await access.do(devices.announce, name="Board", type="lamp")
    with pytest.raises(Unauthenticated, match="approval"):
        access.sign_in.device(issued.record.id, issued.secret)
    await access.do(devices.approve, issued.record.id, ann.id)
    assert access.sign_in.device(issued.record.id, issued.secret).owner == ann.id
    with pytest.raises(Conflict):
        await access.do(devices.approve, issued.record.id, ann.id)


async def test_boards_that_nobody_approves_are_bounded(access):
    """So many, and for a day."""
    for _ in range(MOST_PENDING):
        await access.do(devices.announce)
    with pytest.raises(TooMany):
        await access.do(devices.announce)
    access.clock.now += PENDING_FOR + 1
    await access.registry.tidy()
    await access.registry.refresh()
    assert access.registry.devices == {}


async def test_each_deed_is_in_the_audit(access):
    """Who, what, from where, when, and no key."""
    await access.do(devices.create, id="kitchen")
    await access.do(devices.change, "kitchen", name="New")
    issued = await access.do(devices.replace_key, "kitchen")
    await access.do(devices.remove, "kitchen")
    entries = (await access.store.audit.read(None, 100))[::-1]
    assert [entry.action for entry in entries] == ["create", "change", "new key", "remove"]
    assert {(entry.actor, entry.object, entry.address, entry.at) for entry in entries} == {
        ("test", "device:kitchen", "10.0.0.1", access.clock.now)
    }
    assert entries[1].detail == {"name": "New"}
    assert issued.secret not in repr(entries)
