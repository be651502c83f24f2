"""WebSocket messages of our own making, receipts, and how a connection ends."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from gateway.bridges.edge import sockets
from gateway.bridges.edge.sockets import Open, Stopping, accepted, framed
from gateway.errors import Unauthenticated


@asynccontextmanager
async def pair(accepting=None, **options):
    """Yield our end and the peer's end of a connection."""
    ours, over = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def handle(request):
        async with accepted(request, max_size=1 << 20, **(accepting or {})) as accepted_:
            ours.set_result(accepted_)
            await over.wait()
        return accepted_.response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(url, **options) as peer:
            yield await ours, peer
            over.set()
    finally:
        over.set()
        await runner.cleanup()


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
async def test_messages_of_every_length(length):
    """Each of the three forms of a length is read by the peer, as text and as bytes."""
    async with pair() as (ours, peer):
        ours.write(framed("x" * length))
        ours.write(framed(b"x" * length))
        assert await peer.receive_str() == "x" * length
        assert await peer.receive_bytes() == b"x" * length


async def test_a_receipt_is_for_all_before_it():
    """A pong is the receipt of every ping up to it (RFC 6455 section 5.5.3), of unknown ones
    nothing comes.

    The ping comes before a short message, and after a long one.
    """
    async with pair(autoping=False) as (ours, peer):
        done = []
        for number in range(3):
            ours.write_registered(
                framed("x" * 600 * number), lambda number=number: done.append(number)
            )
        received = [await peer.receive() for _ in range(6)]
        ping, text = WSMsgType.PING, WSMsgType.TEXT
        assert [message.type for message in received] == [ping, text, ping, text, text, ping]
        pings = [message for message in received if message.type is ping]
        for payload, expected in [
            (b"other", []),
            (pings[1].data, [0, 1]),
            (pings[0].data, [0, 1]),
            (pings[2].data, [0, 1, 2]),
        ]:
            await peer.pong(payload)
            await peer.send_str("then")
            assert (await ours.next()).data == "then"
            assert done == expected


async def test_a_goodbye_and_a_lost_connection():
    """A close frame is a goodbye; without one the peer is lost."""
    async with pair() as (ours, peer):
        closing = asyncio.create_task(peer.close())
        assert await ours.next() is None
        assert ours.departure == "goodbye"
        await closing
    async with pair() as (ours, peer):
        peer._response.connection.transport.abort()
        assert await ours.next() is None
        assert ours.departure == "lost"


async def test_ending_says_why():
    """The peer gets the error's close code and words; nothing is written or heard afterwards."""
    async with pair() as (ours, peer):
        await peer.send_str("late")
        ours.end(Unauthenticated("your sign-in has ended"))
        ours.write(framed("unheard"))
        closing = asyncio.create_task(ours.closed())
        message = await peer.receive()
        assert (message.type, message.data, message.extra) == (
            WSMsgType.CLOSE,
            4401,
            "your sign-in has ended",
        )
        await closing
        assert await ours.next() is None
        assert ours.departure == "cut_off"


async def test_the_peer_says_goodbye_first():
    """The connection is not closed under a peer that has yet to answer the close."""
    async with pair(autoclose=False, autoping=False) as (ours, peer):
        receiving = asyncio.create_task(ours.next())
        await asyncio.sleep(0)
        ours.end(Unauthenticated())
        assert await receiving is None
        closing = asyncio.create_task(ours.closed())
        assert (await peer.receive()).type is WSMsgType.CLOSE
        assert not ours._transport.is_closing()
        assert not closing.done()
        await peer.close()
        await closing


async def test_those_that_are_open():
    """Those whose sign-in has ended are closed at a recheck, all when the gateway stops."""
    async with pair() as (first, peer), pair() as (second, other):
        valid = {"first", "second"}
        sockets = Open(valid.__contains__)
        sockets.add(first, "first")
        sockets.add(second, "second")
        sockets.recheck()
        assert first.open
        assert second.open
        valid.remove("first")
        sockets.recheck()
        assert not first.open
        closing = asyncio.create_task(first.closed())
        assert (await peer.receive()).data == 4401
        await closing
        sockets.discard(first)
        stopping = asyncio.create_task(sockets.close())
        assert await second.next() is None
        closing = asyncio.create_task(second.closed())
        assert (await other.receive()).data == Stopping.close_code == 1001
        await asyncio.gather(stopping, closing)
        assert second.departure == "stopped"


async def test_a_busy_peer_is_not_cut_off(monkeypatch):
    """Where programs may be busy for minutes no pong is asked for; the system looks after the
    connection.
    """
    monkeypatch.setattr(sockets, "HEARTBEAT", 0.05)
    async with pair(autoping=False, accepting={"may_be_busy": True}) as (busy, peer):
        raw = busy._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        async with pair(autoping=False) as (ours, _):  # which does not read its pings
            assert await ours.next() is None
            assert ours.departure == "keep_alive"
        await peer.send_str("still here")
        message = await busy.next()
        assert message is not None
        assert message.data == "still here"
