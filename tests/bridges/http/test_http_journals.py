"""The rejected messages and the audit."""

import pytest

from gateway.store.facts import rejection

API = "/api/v1"


@pytest.fixture
async def users(core):
    """The headers of ann, who owns kitchen, of bob, and of an admin."""
    ann = await core.user()
    await core.device("kitchen", ann)
    bob = await core.user("bob@example.org")
    root = await core.user("root@example.org", role="admin")
    return {
        "ann": await core.bearer(ann, "read"),
        "bob": await core.bearer(bob),
        "root": await core.bearer(root),
    }


async def reject(core, device, payload, topic="t"):
    """Keep a message as rejected."""
    await core.intake.store((), [rejection(5, topic, device, "because", payload)])


async def test_each_sees_the_rejected_messages_of_their_devices(core, client, users):
    """An admin all, also those of no device."""
    await reject(core, "kitchen", b"{oops", "devices/kitchen/telemetry")
    await reject(core, None, b"\xff")
    said = {
        who: await (await client.get(f"{API}/rejected", headers=users[who])).json() for who in users
    }
    kitchen = {
        "id": 1,
        "at": 5,
        "topic": "devices/kitchen/telemetry",
        "device": "kitchen",
        "reason": "because",
    }
    kitchen["payload"] = "{oops"
    assert said["ann"] == {"rejected": [kitchen], "next": None}
    assert said["bob"] == {"rejected": [], "next": None}
    assert [item["payload"] for item in said["root"]["rejected"]] == [{"base64": "/w=="}, "{oops"]


async def test_the_beginning_of_a_long_text_ends_with_a_whole_character(core, client, users):
    """What was cut in two is left out."""
    await reject(core, "kitchen", ("x" + "é" * 200).encode())
    said = await (await client.get(f"{API}/rejected", headers=users["ann"])).json()
    assert said["rejected"][0]["payload"] == "x" + "é" * 127


@pytest.mark.parametrize("name", ["rejected", "audit"])
async def test_pages_go_back_in_time(core, client, users, name):
    """Newest first; each entry once."""
    for number in range(5):
        await reject(core, "kitchen", str(number).encode())
    ids, after = [], ""
    while after is not None:
        page = await (
            await client.get(f"{API}/{name}?limit=2{after}", headers=users["root"])
        ).json()
        ids += [item["id"] for item in page[name]]
        after = f"&after={page['next']}" if page["next"] else None
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) >= 5


async def test_the_audit_is_for_admins(client, users):
    """It says who made what."""
    assert (await client.get(f"{API}/audit", headers=users["ann"])).status == 403
    deeds = (await (await client.get(f"{API}/audit", headers=users["root"])).json())["audit"]
    assert ("test", "create", "device:kitchen") in {
        (deed["actor"], deed["action"], deed["object"]) for deed in deeds
    }


async def test_the_audit_by_user_device_and_action(core, client, users):
    """What somebody's tokens did is theirs; numbers have names beside them."""
    made = await client.post(f"{API}/devices", json={"id": "shed"}, headers=users["bob"])
    assert made.status == 201

    async def told(query):
        answer = await client.get(f"{API}/audit?{query}", headers=users["root"])
        return (await answer.json())["audit"]

    bob = next(user.id for user in core.registry.users.values() if user.email[:3] == "bob")
    [deed] = await told(f"user={bob}&device=shed&action=create")
    assert (deed["action"], deed["object"]) == ("create", "device:shed")
    assert deed["names"][deed["actor"]].endswith("of bob@example.org")
    assert {deed["object"] for deed in await told("device=shed")} == {"device:shed"}
    assert await told("device=shed&action=remove") == []
    assert await told("user=4711") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=x", "after=0", "before=3"])
async def test_wrong_parameters(client, users, query):
    """400."""
    assert (await client.get(f"{API}/audit?{query}", headers=users["root"])).status == 400
