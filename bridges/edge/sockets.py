"""A WebSocket to a device or a listener, which several bridges are built on.

What is written leaves whole and at once (RFC 6455 section 5.2). A receipt is a ping with a message:
the peer's library answers it in order (section 5.5.3), so its pong says how far it has read. That
is the only acknowledgement there is on wires that have none of their own.
"""

from __future__ import annotations

import asyncio
import socket as sockets
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web
from aiohttp.client_exceptions import ServerTimeoutError

from gateway.errors import GatewayError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import WSMessage

    from gateway.access.principal import Principal
    from gateway.broker.port import Departure, Done

HEARTBEAT = (
    60.0  # s of silence until a ping; a peer that does not answer it in half of that is gone
)
KEPT_ALIVE = (
    ("TCP_KEEPIDLE", 60),  # s of silence until the system asks
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 6),
)
GOODBYE = 2.0  # s for a peer to answer a close
TOGETHER = 1_024  # bytes of a message and its ping that arrive as one
BACKLOG = 256 << 10  # bytes unread by a device above which it is sent no more commands
_TEXT, _BINARY, _PING = 0x81, 0x82, 0x89  # first bytes of whole messages
_SHORT = {
    first: [bytes((first, length)) for length in range(126)] for first in (_TEXT, _BINARY, _PING)
}


def text(data: bytes) -> bytes:
    """Return UTF-8 as one unmasked text message."""
    return _framed(_TEXT, data)


def binary(data: bytes | bytearray | memoryview) -> bytes:
    """Return bytes as one unmasked binary message."""
    return _framed(_BINARY, data)


def framed(data: str | bytes) -> bytes:
    """Return a text, or bytes, as one unmasked message."""
    return text(data.encode()) if isinstance(data, str) else binary(data)


def _framed(first: int, data: bytes | bytearray | memoryview) -> bytes:
    length = len(data)
    if length < 126:
        return _SHORT[first][length] + data
    if length < 65536:
        return struct.pack("!BBH", first, 126, length) + data
    return struct.pack("!BBQ", first, 127, length) + data


class Outlet:
    """The transport under a response, as a way out for a listener."""

    def __init__(self, request: web.Request) -> None:
        assert request.transport is not None
        self._transport: asyncio.Transport = request.transport
        self._writer = request.writer

    @property
    def open(self) -> bool:
        """What is written may still arrive."""
        return not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write bytes ready for the wire; nothing where nobody reads any more."""
        if self.open:
            self._transport.write(data)

    def backlog(self) -> int:
        """Return how many bytes the peer has not read."""
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Return when there is room again; raises `ConnectionError`."""
        if not self.open:
            raise ConnectionResetError("the peer is gone")
        await self._writer.drain()


class Socket(Outlet):
    """One accepted WebSocket; what is written to it are whole messages. `departure` says why it has
    ended.
    """

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        super().__init__(request)
        self.request = request
        self.response = response
        self.address = request.remote or ""
        self.departure: Departure = "lost"
        self._receipts: dict[bytes, Done] = {}
        self._count = 0
        self._waiting: asyncio.Timeout | None = None
        self._why: GatewayError | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()

    @property
    def open(self) -> bool:
        """What is written may still arrive."""
        return self._why is None and not self.response.closed and super().open

    def write_registered(self, data: bytes, done: Done) -> None:
        """Write a message; run `done` when the peer has it, which is never, if the connection ends
        first.

        The ping stands before a message that arrives together with it, else behind: a script that
        reads this one message and no more has also read the ping before it, and answered it.
        """
        self._count += 1
        mark = struct.pack("!Q", self._count)
        self._receipts[mark] = done
        ping = _framed(_PING, mark)
        self.write(ping + data if len(data) <= TOGETHER else data + ping)

    async def next(self) -> WSMessage | None:
        """Return the next text or bytes; None when the connection has ended or will end."""
        while self._why is None:
            message = await self._receive()
            if message is None:
                break
            if message.type is WSMsgType.PING:
                await self.response.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._received(bytes(message.data))
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                return message
            else:
                self._ended(message)
                break
        return None

    async def _receive(self) -> WSMessage | None:
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await self.response.receive()
        except TimeoutError:  # `end` was called
            return None
        finally:
            self._waiting = None

    def _received(self, mark: bytes) -> None:
        if mark not in self._receipts:
            return  # the heartbeat's, or nobody's
        for earlier in list(self._receipts):
            self._receipts.pop(earlier)()
            if earlier == mark:
                return

    def _ended(self, message: WSMessage) -> None:
        if message.type is WSMsgType.CLOSE:
            self.departure = "goodbye"
        elif isinstance(self.response.exception(), (ServerTimeoutError, TimeoutError)):
            self.departure = "keep_alive"

    def end(self, error: GatewayError, departure: Departure = "cut_off") -> None:
        """Let the connection end with the error's code and words: `next` returns, and `closed` says
        goodbye.

        The task that receives must also close: else aiohttp would not wait for the peer's goodbye,
        and a peer that sends it to a closed connection takes that for a failure.
        """
        if self._why is not None or self.response.closed:
            return
        self._why, self.departure = error, departure
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(2 * GOODBYE, self._transport.abort)
        if self._waiting is not None:
            self._waiting.reschedule(loop.time())

    async def close(self, error: GatewayError) -> None:
        """End the connection with the error's code and words, from the task that receives."""
        self.end(error)
        await self.closed()

    async def closed(self) -> None:
        """Say goodbye where that is still to do; the last thing that the task that receives
        does.
        """
        try:
            if self._why is not None:
                await self.response.close(
                    code=self._why.close_code, message=str(self._why).encode()[:120]
                )
        except ConnectionError:
            pass  # the peer has gone
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()
            self._gone.set()

    async def gone(self) -> None:
        """Return when the connection is closed."""
        await self._gone.wait()


@asynccontextmanager
async def accepted(
    request: web.Request, *, max_size: int, may_be_busy: bool = False
) -> AsyncIterator[Socket]:
    """Accept a WebSocket, and say goodbye at the end of the block; it also ends there where the
    peer has gone.

    `max_size`: bytes of a message, above which the peer is closed with 1009. `may_be_busy`: the
    peer's program may not read for minutes, as those that wait in their own handlers do. Then no
    ping is sent: TCP keep-alive, which the peer's system answers, finds out who is gone.
    """
    response = web.WebSocketResponse(
        heartbeat=None if may_be_busy else HEARTBEAT,
        timeout=GOODBYE,
        max_msg_size=max_size,
        compress=False,
        autoping=False,
    )
    await response.prepare(request)
    if may_be_busy:
        _keep_alive(request)
    socket = Socket(request, response)
    try:
        yield socket
    except ConnectionError:
        pass  # the peer has gone
    finally:
        await socket.closed()


def _keep_alive(request: web.Request) -> None:
    """Let the system find out within two minutes that a silent peer is gone.

    Without TCP_USER_TIMEOUT: that also ends a peer that is there and does not read.
    """
    transport = request.transport
    socket = transport.get_extra_info("socket") if transport is not None else None
    if socket is None:
        return
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
    for name, value in KEPT_ALIVE:
        if hasattr(sockets, name):
            socket.setsockopt(sockets.IPPROTO_TCP, getattr(sockets, name), value)


class Open:
    """The connections that a bridge has open, each with who signed in, if anyone yet.

    `valid`: whether a sign-in still holds.
    """

    def __init__(self, valid: Callable[[Principal], bool]) -> None:
        self._valid = valid
        self._sockets: dict[Socket, Principal | None] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: Socket, principal: Principal | None) -> None:
        self._sockets[socket] = principal

    def discard(self, socket: Socket) -> None:
        self._sockets.pop(socket, None)

    def recheck(self) -> None:
        """Close those whose sign-in holds no longer."""
        for socket, principal in list(self._sockets.items()):
            if principal is not None and not self._valid(principal):
                socket.end(Unauthenticated("your sign-in has ended"))

    async def close(self) -> None:
        """Close all, since the gateway stops."""
        sockets = list(self._sockets)
        for socket in sockets:
            socket.end(Stopping(), "stopped")
        await asyncio.gather(*(socket.gone() for socket in sockets))


class Stopping(Unavailable):
    """The gateway stops; RFC 6455 has a code for it."""

    close_code = 1001

    def __init__(self) -> None:
        super().__init__("the gateway is stopping")
