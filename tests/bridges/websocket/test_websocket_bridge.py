"""`/api/v1/ws` on a real socket: greeting, sign-in, and listeners that cannot go on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import WSMsgType, web

from gateway.access import devices
from gateway.bridges.edge.door import Door
from gateway.bridges.websocket import WebSockets, bridge
from gateway.store.audit import By

BY = By("test", "", 1)


async def _nothing(*args):
    raise AssertionError("no command is sent here")


@pytest.fixture
async def client(core, aiohttp_client):
    """A client of the bridge alone."""
    door = Door(core.sign_in, core.policy, core.registry)
    sockets = WebSockets(hub=core.hub, door=door, send=_nothing, wait=_nothing, max_size=4096)
    app = web.Application()
    app.router.add_get("/ws", sockets.handle)
    return await aiohttp_client(app)


@pytest.fixture
async def ann(core):
    """The headers of ann, who owns kitchen."""
    user = await core.user()
    await core.device("kitchen", user)
    return await core.bearer(user, "read")


async def receive(socket):
    """Return the next message."""
    return await socket.receive_json(timeout=10)


async def test_hello_comes_on_connect(core, client, ann):
    """Also before the sign-in: a client may wait for it, and only then sign in."""
    await core.store("kitchen", "n", "1")
    hello = {"type": "hello", "epoch": core.hub.epoch, "seq": 1}
    async with client.ws_connect("/ws") as socket:
        assert await receive(socket) == hello
        await socket.send_json({"type": "auth", "token": ann["Authorization"].split()[1]})
        await socket.send_json({"type": "ping"})
        assert await receive(socket) == {"type": "pong"}
    async with client.ws_connect("/ws", headers=ann) as socket:
        assert await receive(socket) == hello
    async with client.ws_connect("/ws") as socket:
        await receive(socket)
        await socket.send_json({"type": "ping"})
        assert (await receive(socket))["code"] == "unauthenticated"


async def test_a_wrong_message_says_what_was_meant(client, ann):
    """The connection stays open, and an id that is none does not come back."""
    async with client.ws_connect("/ws", headers=ann) as socket:
        await receive(socket)
        await socket.send_json({"type": "subscribe", "id": "a", "filtr": "#"})
        assert await receive(socket) == {
            "type": "error",
            "id": "a",
            "code": "invalid",
            "message": "filtr: no such field; 'filter' is probably meant",
        }
        await socket.send_json({"type": "subscribe", "id": "a" * 65, "filter": "#"})
        assert (await receive(socket))["id"] is None
        await socket.send_json({"type": "subscribe", "id": "b", "filter": "+/" * 200 + "#"})
        assert (await receive(socket))["code"] == "invalid_topic"
        await socket.send_json({"type": "ping"})
        assert await receive(socket) == {"type": "pong"}


async def test_a_listener_that_is_let_go_is_closed(core, client, ann, monkeypatch, caplog):
    """Where frames cannot be written any more, the connection does not stay open in silence."""
    async with client.ws_connect("/ws", headers=ann) as socket:
        await receive(socket)
        await socket.send_json({"type": "subscribe", "id": "a", "filter": "#"})
        await receive(socket)

        def broken(self, data):
            raise ValueError("cannot be written")

        monkeypatch.setattr(bridge.Socket, "write", broken)
        await core.store("kitchen", "n", "1")
        message = await socket.receive(timeout=10)
        assert (message.type, socket.close_code) == (WSMsgType.CLOSE, 1011)
    assert core.hub.listeners == 0
    assert [record.message for record in caplog.records] == ["a listener is let go"]


async def test_subscriptions_mixed(core, client, ann):
    """A frame comes once, whichever of the subscriptions shows it and whichever asks for old
    ones.
    """
    async with client.ws_connect("/ws", headers=ann) as socket:
        await receive(socket)
        await socket.send_json({"type": "subscribe", "id": "t", "filter": "#", "mode": "latest"})
        await receive(socket)
        await core.store("kitchen", "n", "1")
        assert (await receive(socket))["seq"] == 1
        await socket.send_json({"type": "subscribe", "id": "s", "filter": "#", "since": 0})
        await receive(socket)
        async with asyncio.timeout(10):
            while core.hub.listeners == 0:
                await asyncio.sleep(0)
        await core.store("kitchen", "n", "2")
        assert (await receive(socket))["seq"] == 2


async def test_a_reply_is_for_who_may_still_have_it(core, aiohttp_client):
    """The device went to somebody else while its reply was awaited."""
    ann = await core.user()
    bob = await core.user("bob@example.org")
    await core.device("kitchen", ann)
    replies = asyncio.Event()

    async def send(*args):
        return SimpleNamespace(id="c1")

    async def wait(command, seconds):
        await replies.wait()
        return "4711"

    door = Door(core.sign_in, core.policy, core.registry)
    sockets = WebSockets(hub=core.hub, door=door, send=send, wait=wait, max_size=4096)
    app = web.Application()
    app.router.add_get("/ws", sockets.handle)
    client = await aiohttp_client(app)
    async with client.ws_connect("/ws", headers=await core.bearer(ann, "write")) as socket:
        await receive(socket)
        asked = {"type": "command", "id": 1, "device": "kitchen", "name": "pin", "wait": 30}
        await socket.send_json(asked)
        assert (await receive(socket))["type"] == "ack"
        await core.registry.apply(devices.change, BY, "kitchen", owner=bob)
        replies.set()
        assert (await receive(socket))["code"] == "not_found"
