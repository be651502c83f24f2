"""Devices: the whole of their lives."""

import pytest

from gateway.access import records
from tests.bridges.conftest import basic

API = "/api/v1"


@pytest.fixture
async def ann(core):
    """The headers of ann's token."""
    return await core.bearer(await core.user())


async def test_a_device_is_made_shown_changed_and_removed(core, client, ann):
    """Each step as the contract has it; the key is shown once."""
    new = {"id": "kitchen", "name": "Kitchen", "type": "thermostat", "topics": []}
    async with client.post(f"{API}/devices", json=new, headers=ann) as response:
        assert (response.status, response.headers["Location"]) == (201, f"{API}/devices/kitchen")
        made = await response.json()
    key = made.pop("key")
    expected = {**new, "owner": 1, "disabled": False, "state": "active", "created": core.clock.now}
    assert made == {
        **expected,
        "connected": False,
        "online": False,
        "last_seen": None,
        "last_value": None,
        "about": {},
        "parent": None,
        "convention": "",
    }
    assert await (await client.get(f"{API}/devices", headers=ann)).json() == {"devices": [made]}
    assert await (await client.get(f"{API}/devices/kitchen", headers=ann)).json() == made
    posted = await client.post(
        f"{API}/devices/kitchen/telemetry", json={"t": 1}, headers=basic("kitchen", key)
    )
    assert posted.status == 200
    async with client.patch(
        f"{API}/devices/kitchen", json={"name": "K", "disabled": True}, headers=ann
    ) as response:
        changed = await response.json()
    assert changed.pop("last_value")["value"] == 1
    del made["last_value"]
    assert changed == {
        **made,
        "name": "K",
        "disabled": True,
        "online": True,
        "last_seen": core.clock.now,
    }
    posted = await client.post(
        f"{API}/devices/kitchen/telemetry", json={"t": 1}, headers=basic("kitchen", key)
    )
    assert posted.status == 401
    assert (await client.delete(f"{API}/devices/kitchen", headers=ann)).status == 204
    assert (await client.get(f"{API}/devices/kitchen", headers=ann)).status == 404


async def test_a_new_device_of_an_old_id_does_not_inherit_its_history(core, client, ann):
    """What the removed one sent is hidden, over a restart too."""
    for _ in range(2):
        await client.post(f"{API}/devices", json={"id": "kitchen"}, headers=ann)
        latest = await (await client.get(f"{API}/devices/kitchen/latest", headers=ann)).json()
        assert latest == {}
        await core.store("kitchen", "t", "1")
        await client.delete(f"{API}/devices/kitchen", headers=ann)
    await core.intake.store(())
    assert (await core.kept.history.opened(core.clock.now)).series == []


async def test_a_new_key_replaces_the_old_one_at_once(core, client, ann):
    """The old key is refused from then on."""
    old = (await (await client.post(f"{API}/devices", json={"id": "kitchen"}, headers=ann)).json())[
        "key"
    ]
    async with client.post(f"{API}/devices/kitchen/key", headers=ann) as response:
        new = (await response.json())["key"]
    for key, status in ((old, 401), (new, 200)):
        path = f"{API}/devices/kitchen/telemetry"
        assert (
            await client.post(path, json={"t": 1}, headers=basic("kitchen", key))
        ).status == status


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ({"id": "no/slash"}, 400, {"id"}),
        ({"id": "token"}, 400, {"id"}),
        ({"id": "kitchen"}, 409, {"id"}),
        ({"id": 5, "name": "x" * 300, "topic": []}, 400, {"id", "topic"}),
        ({"name": "two\nlines"}, 400, {"name"}),
    ],
)
async def test_each_wrong_field_is_named(core, client, ann, body, status, fields):
    """An id that exists is a conflict."""
    await core.device("kitchen", 1)
    async with client.post(f"{API}/devices", json=body, headers=ann) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, said["fields"].keys()) == (status, fields)


async def test_who_may_do_what_with_a_device(core, client, ann):
    """Another user's device is as one that is not there; a read token changes nothing; an admin
    sees all.
    """
    await core.device("kitchen", 1)
    await core.device("garden", 1)
    bob = await core.bearer(await core.user("bob@example.org"))
    root = await core.bearer(await core.user("root@example.org", role="admin"))
    read, write = await core.bearer(1, "read"), await core.bearer(1, "write")
    limited = await core.bearer(1, "admin", devices=["garden"])
    path = f"{API}/devices/kitchen"
    expected = {
        "none": ({}, 401, 401, 401),
        "bob": (bob, 404, 404, 201),
        "read": (read, 200, 403, 403),
        "write": (write, 200, 403, 403),
        "limited": (limited, 404, 404, 403),
        "own": (ann, 200, 200, 201),
        "admin": (root, 200, 200, 201),
    }
    for who, (headers, get, patch, post) in expected.items():
        assert (await client.get(path, headers=headers)).status == get, who
        assert (await client.patch(path, json={"name": who}, headers=headers)).status == patch, who
        assert (
            await client.post(f"{API}/devices", json={"id": f"of-{who}"}, headers=headers)
        ).status == post, who
    listed = await (await client.get(f"{API}/devices", headers=bob)).json()
    assert [device["id"] for device in listed["devices"]] == ["of-bob"]


async def test_only_an_admin_gives_a_device_away_or_grants_what_is_not_theirs(core, client, ann):
    """Topics of other devices are not a user's to grant."""
    await core.device("kitchen", 1)
    await core.device("cellar", await core.user("bob@example.org"))
    path = f"{API}/devices/kitchen"
    for change in ({"owner": 2}, {"topics": ["devices/cellar/#"]}, {"topics": ["#"]}):
        assert (await client.patch(path, json=change, headers=ann)).status == 403
    async with client.patch(
        path, json={"topics": ["devices/kitchen/extra"]}, headers=ann
    ) as response:
        assert (await response.json())["topics"] == ["devices/kitchen/extra"]
    root = await core.bearer(await core.user("root@example.org", role="admin"))
    async with client.patch(path, json={"owner": 2}, headers=root) as response:
        assert (await response.json())["owner"] == 2


async def test_a_board_claims_and_waits_for_approval(core, client, ann):
    """It announces itself with the claim code, and may post once somebody who knows its id has
    approved it.
    """
    async with client.post(f"{API}/claim", json={"claim_code": "wrong"}) as response:
        assert response.status == 401
    async with client.post(
        f"{API}/claim", json={"claim_code": "open sesame", "type": "esp"}
    ) as response:
        assert response.status == 201
        board = await response.json()
    assert board["state"] == "pending"
    path, key = f"{API}/devices/{board['id']}", basic(board["id"], board["key"])
    assert (await client.post(f"{path}/telemetry", json={"t": 1}, headers=key)).status == 401
    async with client.post(f"{path}/approve", headers=ann) as response:
        assert (response.status, (await response.json())["owner"]) == (200, 1)
    assert (await client.post(f"{path}/telemetry", json={"t": 1}, headers=key)).status == 200
    assert (await client.post(f"{path}/approve", headers=ann)).status == 403


@pytest.mark.parametrize("owner", [2**63, 10**30, -1, 0])
async def test_an_owner_who_cannot_be_is_named_with_what_else_is_wrong(core, client, owner):
    """Numbers that no database holds, too."""
    await core.device("kitchen")
    root = await core.bearer(await core.user("root@example.org", role="admin"))
    wrong = {"owner": owner, "name": "a\nb"}
    async with client.patch(f"{API}/devices/kitchen", json=wrong, headers=root) as response:
        said = await response.json(content_type="application/problem+json")
        assert (response.status, said["fields"].keys()) == (400, wrong.keys())


async def test_what_is_no_topic_filter_is_a_wrong_field_and_not_forbidden(client, ann):
    """A user who mistypes a filter is told so, with everything else that is wrong."""
    wrong = {"id": "a b", "topics": ["a/#/b"]}
    async with client.post(f"{API}/devices", json=wrong, headers=ann) as response:
        said = await response.json(content_type="application/problem+json")
        assert (response.status, said["fields"].keys()) == (400, wrong.keys())


async def test_a_device_brings_its_id_and_key_along(core, client, ann):
    """As its sketch has them; a key that is too weak is a wrong field."""
    from tests.bridges.conftest import basic

    for new in (
        {"id": "MBIJ0R5BGXBDSYO0GIIE", "key": "SQC8JVFAL8NQRJS", "style": "iotcommunicate"},
        {"id": "attic", "key": "a-key-of-its-own-with-32-letters"},
    ):
        async with client.post(f"{API}/devices", json=new, headers=ann) as response:
            assert (response.status, (await response.json())["key"]) == (201, new["key"])
        path = f"{API}/devices/{new['id']}/telemetry"
        async with client.post(
            path, json={"a": 1}, headers=basic(new["id"], new["key"])
        ) as response:
            assert response.status == 200
    async with client.post(f"{API}/devices", json={"key": "short"}, headers=ann) as response:
        said = await response.json(content_type="application/problem+json")
        assert (response.status, said["fields"].keys()) == (400, {"key"})


async def test_who_gives_a_device_away_is_told_that_its_key_is_known(core, client, ann):
    """Not where it belonged to nobody, nor where it stays with its owner."""
    root = await core.bearer(await core.user("root@example.org", role="admin"))
    bob = await core.user("bob@example.org")
    await core.device("attic")
    said = []
    for owner in (bob, bob, 1):
        async with client.patch(
            f"{API}/devices/attic", json={"owner": owner}, headers=root
        ) as response:
            said.append((await response.json()).get("note"))
    assert said[:2] == [None, None]
    assert "former owner knows" in said[2]


async def test_one_user_has_so_many_devices(core, client, ann, monkeypatch):
    """A further one is a conflict."""
    monkeypatch.setattr(records, "DEVICES_OF_USER", 2)
    codes = [(await client.post(f"{API}/devices", json={}, headers=ann)).status for _ in range(3)]
    assert codes == [201, 201, 409]
