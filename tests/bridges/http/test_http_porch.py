"""The porch: room, and deadlines for heads, bodies and the time between requests, over real
sockets.
"""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession, WSMsgType, web

from gateway.access.principal import Principal
from gateway.bridges.edge.sender import PLACE, signed_in
from gateway.bridges.http import porch
from gateway.bridges.http.places import Places
from gateway.bridges.http.porch import Porch, PorchSite
from gateway.errors import GatewayError
from gateway.seats import Seats

GET = b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n"


ANN = Principal(key="token:1", name="ann's", scope="read", owner=1)


class House:
    """An application behind a porch with a hundred seats, shared with other entrances."""

    def __init__(self) -> None:
        self.seats = Seats(100)
        self.porch = Porch(Places(self.seats, 100), strangers=4, of_address=3)
        self.got: list[bytes] = []
        self.waiting = asyncio.Event()
        self.gone = asyncio.Event()
        self._app = web.Application(middlewares=[self.porch.watch])
        self._app.router.add_get("/now", self._now)
        self._app.router.add_get("/known", self._known)
        self._app.router.add_get("/wait", self._wait)
        self._app.router.add_post("/body", self._body)
        self._app.router.add_post("/known-body", self._known_body)
        self._app.router.add_get("/ws", self._ws)
        self._app.router.add_get("/mqtt", self._mqtt)

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
        try:
            signed_in(request, ANN)
        except GatewayError as error:
            return web.Response(status=error.status)
        return web.Response(text="known")

    async def _wait(self, request: web.Request) -> web.Response:
        self.waiting.set()
        await asyncio.sleep(0.15)
        return web.Response(text="waited")

    async def _known_body(self, request: web.Request) -> web.Response:
        signed_in(request, ANN)
        return await self._body(request)

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        await socket.prepare(request)
        async for message in socket:
            signed_in(request, ANN)
            await socket.send_str(f"{len(message.data)}")
        return socket

    async def _mqtt(self, request: web.Request) -> web.WebSocketResponse:
        request[PLACE].hand_over()
        return await self._ws(request)

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
    for name, seconds in (("HEAD", 0.1), ("BODY", 5.0), ("STRANGER", 0.1), ("IDLE", 10.0)):
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


async def _settled(house: House, places: int) -> None:
    async with asyncio.timeout(5):
        while len(house.porch) != places:
            await asyncio.sleep(0)


async def test_the_oldest_stranger_of_an_address_makes_room(house):
    """However many connect and say nothing: whoever comes next is let in."""
    silent = [await house.open() for _ in range(5)]
    assert await silent[0][0].read() == b""
    assert await silent[1][0].read() == b""
    await _settled(house, 3)
    late, writer = await house.open(GET)
    assert await _answer(late) == b"200"
    assert house.porch.ended == 3
    for each in (writer, *(streams[1] for streams in silent)):
        each.close()


async def test_who_has_signed_in_is_not_ended_for_strangers(house):
    """Nor counted among them."""
    known, known_writer = await house.open(GET.replace(b"/now", b"/known"))
    assert await _answer(known) == b"200"
    silent = [await house.open() for _ in range(5)]
    await silent[1][0].read()
    known_writer.write(GET)
    assert (await known.readexactly(5), await _answer(known)) == (b"known", b"200")
    for each in (known_writer, *(streams[1] for streams in silent)):
        each.close()


async def test_where_all_places_are_taken_nobody_signs_in(house):
    """503 on the request, and the connection counts as a stranger's still."""
    for _ in range(100):
        house.seats.take()
    reader, writer = await house.open(GET.replace(b"/now", b"/known"))
    assert await _answer(reader) == b"503"
    assert len(house.porch.places) == 0
    writer.close()


async def test_a_place_is_given_back(house):
    """When the connection ends."""
    reader, writer = await house.open(GET.replace(b"/now", b"/known"))
    assert await _answer(reader) == b"200"
    assert len(house.porch.places) == 1
    writer.close()
    await _settled(house, 0)
    assert len(house.porch.places) == 0


async def test_a_body_of_who_has_signed_in_has_more_time(house):
    """A board on a slow link takes longer than a stranger may."""
    head = b"POST /known-body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
    reader, writer = await house.open(head)
    await house.waiting.wait()
    (visitor,) = house.porch._visitors.values()
    assert visitor.deadline - asyncio.get_running_loop().time() > 1
    writer.write(b"cd")
    assert await _answer(reader) == b"200"
    assert house.got == [b"abcd"]
    writer.close()


async def _websocket(house: House, path: str):
    session = ClientSession()
    return session, await session.ws_connect(f"http://127.0.0.1:{house.port}{path}")


async def test_a_websocket_sends_little_and_not_for_long_before_it_has_signed_in(house):
    """8 KB, and its time is over; afterwards neither bound holds."""
    session, socket = await _websocket(house, "/ws")
    await socket.send_str("x" * 9_000)
    assert (await socket.receive()).type in {WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE}
    await session.close()
    session, socket = await _websocket(house, "/ws")
    await socket.send_str("hello")
    assert await socket.receive_str() == "5"
    await socket.send_str("x" * 9_000)
    assert await socket.receive_str() == "9000"
    (visitor,) = house.porch._visitors.values()
    assert visitor.deadline == float("inf")
    await session.close()


async def test_a_websocket_that_does_not_sign_in_ends(house):
    """As any stranger who says nothing."""
    session, socket = await _websocket(house, "/ws")
    receiving = asyncio.create_task(socket.receive())
    async with asyncio.timeout(5):
        while not receiving.done():
            house.porch.sweep()
            await asyncio.wait([receiving], timeout=0.02)
    assert len(house.porch) == 0
    await session.close()


async def test_what_is_handed_over_is_counted_elsewhere(house):
    """MQTT over WebSocket is the broker's, with its bounds and deadlines."""
    session, socket = await _websocket(house, "/mqtt")
    assert len(house.porch) == 0
    await socket.send_str("x" * 9_000)
    assert await socket.receive_str() == "9000"
    await session.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: Bearer gwt_secret\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: secret\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"secret" * 2_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n",
        b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: secret\r\n\r\n",
    ],
)
async def test_what_cannot_be_read_is_a_problem_and_no_line_in_the_log(house, caplog, request_):
    """Neither in the answer nor in the log are the bytes of a token, nor which versions run
    here.
    """
    reader, writer = await house.open(request_)
    async with asyncio.timeout(5):
        said = await reader.read()
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert b"application/problem+json" in head
    assert b"Server: gateway" in head
    assert b"nosniff" in head
    assert b'"code":"invalid"' in body
    assert b"secret" not in said
    assert caplog.text == ""
    writer.close()
