"""Commands by POST, with a device on a link of the test's own."""

import asyncio

import pytest

API = "/api/v1"


class Link:
    """A device's link that delivers every command, and hands it to the test."""

    protocol, address = "test", ""

    def __init__(self, device):
        self.device = device
        self.got = asyncio.Queue()

    def deliver(self, command, delivered):
        self.got.put_nowait(command)
        delivered()
        return "acknowledged"

    def close(self, error):
        """Nothing is open."""


@pytest.fixture
async def ann(core):
    """The headers of ann, who owns kitchen."""
    user = await core.user()
    await core.device("kitchen", user)
    return await core.bearer(user, "write")


@pytest.fixture
async def link(core, ann):
    """The link of kitchen."""
    link = Link("kitchen")
    core.presence.connected(link)
    core.commands.ready("kitchen")
    return link


async def reply(core, link, value):
    """Answer the next command as the device."""
    command = await link.got.get()
    await core.intake.store(
        core.commands.replied("kitchen", command.name, value, None, core.clock.now)
    )


async def test_a_command_for_who_is_away_is_queued_and_can_be_asked_for(core, client, ann):
    """202 and the command; its state is at its Location."""
    async with client.post(
        f"{API}/devices/kitchen/commands/led", data=b'{"on": true}', headers=ann
    ) as response:
        assert response.status == 202
        made = await response.json()
        where = response.headers["Location"]
    assert made == {
        "id": made["id"],
        "device": "kitchen",
        "name": "led",
        "state": "queued",
        "value": {"on": True},
    }
    assert await (await client.get(where, headers=ann)).json() == made
    frames = (await (await client.get(f"{API}/frames?filter=kitchen/led", headers=ann)).json())[
        "frames"
    ]
    assert [(frame["type"], frame["value"]) for frame in frames] == [("command", {"on": True})]


async def test_with_wait_the_reply_comes_with_the_answer(core, client, ann, link):
    """200, and the command with its reply."""
    replying = asyncio.create_task(reply(core, link, '"done"'))
    async with client.post(
        f"{API}/devices/kitchen/commands/relay/0?wait=10", json=1, headers=ann
    ) as response:
        said = await response.json()
    await replying
    assert (response.status, said["state"], said["reply"], said["name"]) == (
        200,
        "replied",
        "done",
        "relay/0",
    )


async def test_without_a_reply_in_time_it_is_504_with_the_command_s_id(client, ann, link):
    """The reply may come later, under that id."""
    async with client.post(
        f"{API}/devices/kitchen/commands/led?wait=0.01", headers=ann
    ) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, said["code"]) == (504, "timeout")
    async with client.get(f"{API}/commands/{said['id']}", headers=ann) as response:
        assert (await response.json())["value"] is None


async def test_a_wait_for_a_reply_does_not_hold_up_the_end(core, client, ann, link):
    """When the gateway stops the command's id is told at once: 503."""
    waiting = asyncio.create_task(
        client.post(f"{API}/devices/kitchen/commands/led?wait=60", headers=ann)
    )
    sent = await link.got.get()
    async with asyncio.timeout(10):
        while not core.commands._replies:
            await asyncio.sleep(0)
    await client.app.shutdown()
    async with await waiting as response:
        assert (response.status, (await response.json(content_type=None))["id"]) == (503, sent.id)


async def test_the_same_key_sends_once(core, client, ann):
    """Again with the same key: the same command; with another value: a conflict."""
    path, headers = f"{API}/devices/kitchen/commands/led", {**ann, "Idempotency-Key": "k1"}
    ids = {
        (await (await client.post(path, json=1, headers=headers)).json())["id"] for _ in range(3)
    }
    assert len(ids) == 1
    assert core.commands.waiting("kitchen") == 1
    assert (await client.post(path, json=2, headers=headers)).status == 409


@pytest.mark.parametrize("key", ["k" * 201, "", "ü", "a\tb"])
async def test_an_idempotency_key_is_printable_ascii(core, client, ann, key):
    """1 to 200 characters; nothing else is stored."""
    path = f"{API}/devices/kitchen/commands/led"
    async with client.post(path, json=1, headers={**ann, "Idempotency-Key": key}) as response:
        said = await response.json(content_type="application/problem+json")
    assert (response.status, said["fields"].keys()) == (400, {"Idempotency-Key"})
    assert core.commands.waiting("kitchen") == 0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("kitchen/commands/led", b"{oops", 400),
        ("kitchen/commands/a%2B", b"1", 400),
        ("kitchen/commands/led?wait=61", b"1", 400),
        ("kitchen/commands/led?ttl=0", b"1", 400),
        ("kitchen/commands/led?wait=-1", b"1", 400),
        ("kitchen/commands/led", b"x" * 5000, 413),
        ("nowhere/commands/led", b"1", 404),
    ],
)
async def test_what_is_wrong_sends_nothing(core, client, ann, path, body, status):
    """A problem, and no command."""
    async with client.post(f"{API}/devices/{path}", data=body, headers=ann) as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")
    assert core.commands.waiting("kitchen") == 0


async def test_who_may_not_command(core, client, ann):
    """A read token, somebody else, nobody; and nobody else sees the command."""
    bob = await core.bearer(await core.user("bob@example.org"))
    path = f"{API}/devices/kitchen/commands/led"
    for headers, status in ((await core.bearer(1, "read"), 403), (bob, 404), ({}, 401)):
        assert (await client.post(path, json=1, headers=headers)).status == status
    made = await (await client.post(path, json=1, headers=ann)).json()
    assert (await client.get(f"{API}/commands/{made['id']}", headers=bob)).status == 404
    assert (await client.get(f"{API}/commands/none", headers=ann)).status == 404


async def test_a_command_stands_in_the_audit(core, client, ann):
    """Who, what, and to which device."""
    await client.post(f"{API}/devices/kitchen/commands/led", json=1, headers=ann)
    await core.journal.flush()
    root = await core.bearer(await core.user("root@example.org", role="admin"))
    deeds = (await (await client.get(f"{API}/audit", headers=root)).json())["audit"]
    deed = next(deed for deed in deeds if deed["action"] == "command")
    assert (deed["actor"], deed["object"], deed["detail"]["name"]) == (
        "token:1",
        "device:kitchen",
        "led",
    )


async def test_what_waits_is_listed_and_cancelled(client, ann):
    """The list has it until it is deleted; then it has failed, and a second time is 409."""
    path = f"{API}/devices/kitchen/commands"
    made = await (await client.post(f"{path}/led", json=1, headers=ann)).json()
    assert await (await client.get(path, headers=ann)).json() == {"commands": [made]}
    async with client.delete(f"{API}/commands/{made['id']}", headers=ann) as response:
        cancelled = await response.json()
    assert (response.status, cancelled) == (200, made | {"state": "failed", "error": "cancelled"})
    assert await (await client.get(path, headers=ann)).json() == {"commands": []}
    assert (await client.delete(f"{API}/commands/{made['id']}", headers=ann)).status == 409
