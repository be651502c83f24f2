"""Rights are those of the moment of the deed: what was permitted when a request's head came is
asked again when its body is here, and again in the turn of the change itself.
"""

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest

import gateway.bridges
from gateway.access import accounts, devices, tokens
from gateway.access.policy import Action
from gateway.bridges.http.routes import API
from gateway.errors import Unauthenticated
from gateway.store.audit import By

ANYTHING = b'{"name": "n"}'
BODIES = {
    ("POST", "/tokens"): b'{"scope": "admin"}',
    ("PATCH", "/users/{id}"): b'{"role": "admin"}',
    ("POST", "/me/password"): b'{"password": "correct horse"}',
    ("POST", "/devices"): b'{"id": "new"}',
}
"""What a route takes, where it is not just a name."""


def requests(routes):
    """Return method, path and body of every request with a body that needs a sign-in."""
    for route in routes:
        if route.body is None or route.open:
            continue
        path = route.template.replace("{channel}", "a").replace("{name}", "led")
        number = "1" if "/users/" in path else "kitchen"
        body = BODIES.get((route.method, route.template.removeprefix(API)), ANYTHING)
        yield route.method, path.replace("{id}", number), body


class Slow:
    """A request whose head is sent, and whose body comes later."""

    def __init__(self, client, method, path, body, headers):
        self._client, self._body = client, body
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: x",
            "Connection: close",
            "Expect: 100-continue",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._head = "\r\n".join(lines).encode() + b"\r\n\r\n"

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection(
            self._client.host, self._client.port
        )
        self._writer.write(self._head)
        async with asyncio.timeout(10):  # the gateway says when it has read the head
            assert await self._reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        return self

    async def __aexit__(self, *_):
        self._writer.close()
        await self._writer.wait_closed()

    async def finish(self):
        """Send the body; return the status."""
        self._writer.write(self._body)
        async with asyncio.timeout(10):
            return int((await self._reader.read()).split(b" ")[1])


@pytest.fixture
async def root(core):
    """An admin who stays."""
    return await core.user("root@example.org", role="admin")


@pytest.fixture
async def eve(core, root):
    """The second admin, who owns the kitchen."""
    user = await core.user("eve@example.org", role="admin")
    await core.device("kitchen", user)
    return user


async def test_every_route_asks_when_the_body_is_here(core, client, routes, eve):
    """A token that is revoked between head and body does nothing any more, on any route."""
    table = list(requests(routes))
    assert len(table) > 6
    for method, path, body in table:
        issued = await core.do(tokens.create, user=eve, scope="admin")
        headers = {"Authorization": f"Bearer {issued.secret}"}
        before = dict(core.registry.devices), dict(core.registry.users)
        async with Slow(client, method, path, body, headers) as slow:
            await core.do(tokens.revoke, issued.record.id)
            assert await slow.finish() == 401, path
        assert (core.registry.devices, core.registry.users) == before, path


async def test_a_demoted_admin_does_not_make_itself_one_again(core, client, eve):
    """403, on every route of admins."""
    headers = await core.cookie(eve)
    for method, path, body in (
        ("PATCH", f"{API}/users/{eve}", b'{"role": "admin"}'),
        ("POST", f"{API}/invitations", b'{"role": "admin"}'),
    ):
        async with Slow(client, method, path, body, headers) as slow:
            await core.do(accounts.change, eve, role="user")
            assert await slow.finish() in {401, 403}
        assert core.registry.users[eve].role == "user"
        await core.do(accounts.change, eve, role="admin")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"{API}/devices/kitchen", b'{"disabled": true}'),
        ("POST", f"{API}/devices/kitchen/commands/led", b"1"),
        ("POST", f"{API}/devices/kitchen/telemetry", b'{"a": 1}'),
    ],
)
async def test_a_device_that_was_given_away_is_no_longer_theirs(core, client, method, path, body):
    """404 for the former owner, whose request had begun before."""
    ann, bob = await core.user(), await core.user("bob@example.org")
    await core.device("kitchen", bob)
    async with Slow(client, method, path, body, await core.bearer(bob)) as slow:
        await core.do(devices.change, "kitchen", owner=ann)
        assert await slow.finish() == 404
    assert not core.registry.devices["kitchen"].disabled
    assert core.commands.waiting("kitchen") == 0


async def test_the_key_of_a_disabled_owner_s_device_posts_no_more(core, client):
    """401."""
    from tests.bridges.conftest import basic

    ann = await core.user()
    key = await core.device("kitchen", ann)
    path = f"{API}/devices/kitchen/telemetry"
    async with Slow(client, "POST", path, b'{"a": 1}', basic("kitchen", key)) as slow:
        await core.do(accounts.change, ann, disabled=True)
        assert await slow.finish() == 401


async def test_a_change_asks_in_its_own_turn(core):
    """What an earlier change has taken away is gone for a later one that was asked for before
    it.
    """
    ann = await core.user()
    issued = await core.do(tokens.create, user=ann, scope="admin")
    principal = core.registry.principal(issued.record)
    demand = partial(core.policy.demand, principal, Action.CREATE_DEVICE)
    demand()
    by = By("token:1", "", core.clock(), demand=demand)
    revoking = asyncio.create_task(core.do(tokens.revoke, issued.record.id))
    making = asyncio.create_task(core.registry.apply(devices.create, by, id="late", owner=ann))
    with pytest.raises(Unauthenticated):
        await making
    await revoking
    assert "late" not in core.registry.devices


async def test_who_lost_the_device_reads_no_reply_of_it(core, client):
    """Not even to a command of theirs."""
    ann, bob = await core.user(), await core.user("bob@example.org")
    await core.device("kitchen", bob)
    headers = await core.bearer(bob)
    async with client.post(
        f"{API}/devices/kitchen/commands/led", json=1, headers=headers
    ) as response:
        where = response.headers["Location"]
    assert (await client.get(where, headers=headers)).status == 200
    await core.do(devices.change, "kitchen", owner=ann)
    assert (await client.get(where, headers=headers)).status == 404


def test_bodies_are_read_at_one_place():
    """No handler reads one by itself: it would have asked for rights before, and would take from a
    stranger what it takes from others.
    """
    bridges = Path(gateway.bridges.__file__).parent
    reads = re.compile(r"request\.(read|post|json|text|multipart|content)\b(?!\.on_eof)")
    found = {
        path.relative_to(bridges).as_posix()
        for path in bridges.rglob("*.py")
        if reads.search(path.read_text("utf-8"))
    }
    assert found <= {"edge/bodies.py"}
