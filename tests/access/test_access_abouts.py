"""Children of hubs, conventions with their roots, and what is said of devices."""

from __future__ import annotations

import pytest

from gateway.access import abouts, accounts, devices
from gateway.access.devices import MOST_CHILDREN
from gateway.errors import Conflict, NotFound, TooMany


async def test_a_child_has_its_hubs_owner_and_no_key(access):
    """It is a device as any, but for its key; adopting it again changes nothing."""
    ann = await access.do(accounts.create, email="ann@example.org", password=None)
    await access.do(devices.create, id="hub", owner=ann.id)
    child = await access.do(devices.adopt, "hub", "lamp", type="light")
    assert (child.owner, child.parent, child.key_hash, child.type) == (ann.id, "hub", b"", "light")
    assert await access.do(devices.adopt, "hub", "lamp") == child
    assert access.registry.children("hub") == {"lamp"}
    with pytest.raises(Conflict, match="no key"):
        await access.do(devices.replace_key, "lamp")
    await access.do(devices.change, "hub", owner=None)
    assert access.registry.devices["lamp"].owner is None


async def test_nobody_takes_over_a_device_by_announcing_it(access):
    """An id that is another's is refused, a child of another hub as well."""
    for name in ("hub", "other"):
        await access.do(devices.create, id=name)
    await access.do(devices.adopt, "other", "lamp")
    for taken in ("other", "lamp", "hub"):
        with pytest.raises(Conflict, match="another device"):
            await access.do(devices.adopt, "hub", taken)
    with pytest.raises(NotFound):
        await access.do(devices.adopt, "nobody", "x")


async def test_a_hub_has_room_for_so_many(access):
    """The next one is refused."""
    await access.do(devices.create, id="hub")

    def fill(tables, by):
        for n in range(MOST_CHILDREN):
            devices.adopt(tables, by, "hub", f"c{n}")

    await access.do(fill)
    with pytest.raises(TooMany, match="1000 children"):
        await access.do(devices.adopt, "hub", "one-more")
    assert (await access.do(devices.adopt, "hub", "c5")).parent == "hub"


async def test_a_hub_is_removed_with_its_children(access):
    """And with all that was said of them."""
    await access.do(devices.create, id="hub")
    await access.do(devices.adopt, "hub", "lamp")
    await access.do(abouts.describe, "lamp", {"name": "Lamp"})
    assert access.registry.about("lamp") == {"name": "Lamp"}
    await access.do(devices.remove, "hub")
    assert access.registry.devices == {}
    assert access.registry.abouts == {}
    assert access.registry.about("lamp") == {}
    assert not access.registry.children("hub")


async def test_two_devices_cannot_have_one_root(access):
    """The second is refused; the first keeps it."""
    for name in ("a", "b"):
        await access.do(devices.create, id=name)
    await access.do(devices.recognise, "a", "tasmota", "tele/kitchen")
    with pytest.raises(Conflict, match="another device's"):
        await access.do(devices.recognise, "b", "tasmota", "tele/kitchen")
    again = await access.do(devices.recognise, "a", "tasmota", "tele/kitchen")
    assert (again.convention, again.root) == ("tasmota", "tele/kitchen")


async def test_three_sources_are_kept_apart(access):
    """Each is replaced by itself; a person's edit wins."""
    await access.do(devices.create, id="a")
    await access.do(abouts.describe, "a", {"name": "known", "model": "M"})
    await access.do(abouts.announce, "a", {"name": "said"})
    assert access.registry.about("a") == {"name": "said", "model": "M"}
    await access.do(abouts.edit, "a", {"name": "mine"})
    assert access.registry.about("a")["name"] == "mine"
    await access.do(abouts.announce, "a", {})
    await access.do(abouts.drop_edits, "a")
    assert access.registry.about("a") == {"name": "known", "model": "M"}
    with pytest.raises(NotFound):
        await access.do(abouts.edit, "nobody", {})


async def test_another_process_sees_it(access):
    """What was written elsewhere is read at the next refresh, or with everything at a start."""
    await access.do(devices.create, id="a")
    await access.do(abouts.edit, "a", {"name": "mine"})
    await access.registry.load()
    assert access.registry.about("a") == {"name": "mine"}
