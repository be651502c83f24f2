"""The porch: room, and deadlines for heads, bodies and the time between requests, over real
sockets.
"""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from gateway.bridges.http import porch
from gateway.bridges.http.authentication import PRINCIPAL
from gateway.bridges.http.porch import Porch, PorchSite
from gateway.seats import Seats

GET = b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n"


class House:
    """An application behind a porch with ten seats."""

    def __init__(self) -> None:
        self.seats = Seats(10)
        self.porch = Porch(self.seats, strangers=3)
        self.got: list[bytes] = []
        self.waiting = asyncio.Event()
        self.gone = asyncio.Event()
        self._app = web.Application(middlewares=[self.porch.watch])
        self._app.router.add_get("/now", self._now)
        self._app.router.add_get("/known", self._known)
        self._app.router.add_get("/wait", self._wait)
        self._app.router.add_post("/body", self._body)

    async def __aenter__(self) -> House:
        self._runner = web.AppRunner(self._app, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        await PorchSite(self._runner, self.porch, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def open(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and send; the porch has heard it when this returns."""
        streams = await asyncio.open_connection("127.0.0.1", self.port)
        streams[1].write(data)
        return streams

    async def _now(self, request: web.Request) -> web.Response:
        return web.Response(text="now")

    async def _known(self, request: web.Request) -> web.Response:
        request[PRINCIPAL] = None
        return web.Response(text="known")

    async def _wait(self, request: web.Request) -> web.Response:
        self.waiting.set()
        await asyncio.sleep(0.15)
        return web.Response(text="waited")

    async def _body(self, request: web.Request) -> web.Response:
        self.waiting.set()
        try:
            self.got.append(await request.read())
        finally:
            self.gone.set()
        return web.Response(text="read")


@pytest.fixture
async def house(monkeypatch):
    """A house whose times are short."""
    for name, seconds in (("HEAD", 0.1), ("BODY", 0.1), ("IDLE", 10.0)):
        monkeypatch.setattr(porch, name, seconds)
    async with House() as here:
        yield here


async def _ends(house: House, reader: asyncio.StreamReader) -> bytes:
    """Sweep until the connection has ended; return what came."""
    reading = asyncio.create_task(reader.read())
    async with asyncio.timeout(5):
        while not reading.done():
            house.porch.sweep()
            await asyncio.wait([reading], timeout=0.02)
    try:
        return reading.result()
    except ConnectionResetError:
        return b""


async def _answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        return head.split(b" ")[1]


@pytest.mark.parametrize("said", [b"", b"GET /now HT", b"GET /now HTTP/1.1\r\nX-Slow: 1\r\n"])
async def test_who_does_not_say_what_it_wants_is_closed(house, said):
    """A connection without a whole head ends when its time is over, and its place is free again."""
    reader, writer = await house.open(said)
    assert await _ends(house, reader) == b""
    assert len(house.porch) == 0
    writer.close()


async def test_a_body_has_its_time(house):
    """A body that does not come ends the connection, and its handler with it."""
    reader, writer = await house.open(
        b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab"
    )
    await house.waiting.wait()
    assert await _ends(house, reader) == b""
    await asyncio.wait_for(house.gone.wait(), 5)
    assert house.got == []
    writer.close()


async def test_an_answer_takes_the_time_it_takes(house):
    """A request that is here in full is not hurried: a long poll outlasts all deadlines."""
    reader, writer = await house.open(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await house.waiting.wait()
    answering = asyncio.create_task(_answer(reader))
    while not answering.done():
        house.porch.sweep()
        await asyncio.wait([answering], timeout=0.02)
    assert answering.result() == b"200"
    writer.close()


async def test_who_has_signed_in_may_rest(house):
    """Between requests a known connection stays; one that showed nothing has to come sooner."""
    known, known_writer = await house.open(GET.replace(b"/now", b"/known"))
    stranger, stranger_writer = await house.open(GET)
    assert (await _answer(known), await _answer(stranger)) == (b"200", b"200")
    await _ends(house, stranger)
    assert len(house.porch) == 1
    known_writer.write(GET)
    assert (await known.readexactly(5), await _answer(known)) == (b"known", b"200")
    known_writer.close()
    stranger_writer.close()


async def test_a_second_request_comes_at_its_own_pace(house):
    """The head of a later request has the same time as that of the first."""
    reader, writer = await house.open(GET.replace(b"/now", b"/known"))
    assert await _answer(reader) == b"200"
    writer.write(GET[:10])
    assert await _ends(house, reader) == b"known"
    writer.close()


async def test_there_is_no_room(house):
    """Above the limit a connection is told to come back later; when one leaves, the next comes in."""
    for _ in range(9):
        house.seats.take()  # other entrances'
    reader, writer = await house.open(GET)
    assert await _answer(reader) == b"200"
    late, late_writer = await house.open(GET)
    assert await _answer(late) == b"503"
    assert await _ends(house, late) == b""
    assert house.porch.refused == 1
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while len(house.porch):
            await asyncio.sleep(0)
    again, again_writer = await house.open(GET)
    assert await _answer(again) == b"200"
    for each in (late_writer, again_writer):
        each.close()


async def test_strangers_leave_room(house):
    """Connections that say nothing take a part of the room alone."""
    silent = [await house.open() for _ in range(3)]
    async with asyncio.timeout(5):
        while len(house.porch) < 3:
            await asyncio.sleep(0)
    late, late_writer = await house.open(GET)
    assert await _answer(late) == b"503"
    silent[0][1].write(GET)
    assert await _answer(silent[0][0]) == b"200"
    next_, next_writer = await house.open(GET)
    assert await _answer(next_) == b"200"
    for writer in (late_writer, next_writer, *(each[1] for each in silent)):
        writer.close()
