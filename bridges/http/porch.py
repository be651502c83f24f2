"""The porch of the HTTP port: how many come in, and how long each may take to say what it wants.

aiohttp waits for a request for as long as nobody closes the connection. Here every connection has a
deadline, which one sweep a second looks at: for the first bytes and the head of a request, for its
body, and between requests. While a request is being answered there is none: long polls and streams
take as long as they take.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aiohttp import web

from gateway.bridges.http.authentication import PRINCIPAL

if TYPE_CHECKING:
    import ssl

    from gateway.bridges.http.routes import Handler
    from gateway.seats import Seats

HEAD = 10.0  # s from the first byte, or from the connection, until a request's head is here
BODY = 60.0  # s for a body: a board on a slow link takes its time
IDLE = 75.0  # s between the requests of who has signed in; others have to come sooner
STRANGERS = 2_000  # connections that have not said yet what they want, as the broker has it
BACKLOG = 4_096
REFUSED = 1.0  # s for whom there is no room to send the request that is not answered
HANDSHAKE = 10.0  # s for TLS
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Porch:
    """Gives connections a seat and ends those that are too slow."""

    def __init__(self, seats: Seats, *, strangers: int = STRANGERS) -> None:
        self._seats = seats
        self._most_strangers = strangers
        self._visitors: dict[asyncio.BaseProtocol, Visitor] = {}
        self._strangers: set[Visitor] = set()
        self.refused = 0

    def __len__(self) -> int:
        return len(self._visitors)

    def enter(self, visitor: Visitor) -> bool:
        """Let a connection in if there is room."""
        if len(self._strangers) >= self._most_strangers or self._seats.full(reserved=True):
            self.refused += 1
            return False
        self._seats.take()
        self._visitors[visitor.inner] = visitor
        self._strangers.add(visitor)
        return True

    def leave(self, visitor: Visitor) -> None:
        """A connection has ended."""
        self._seats.leave()
        self._visitors.pop(visitor.inner, None)
        self._strangers.discard(visitor)

    def know(self, visitor: Visitor) -> None:
        """It has said what it wants."""
        self._strangers.discard(visitor)

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give a request's body its time, and its answer all the time it takes."""
        visitor = self._visitors.get(request.protocol)
        if visitor is None:  # it has gone
            return await handler(request)
        visitor.answering(request)
        try:
            return await handler(request)
        finally:
            visitor.answered(IDLE if PRINCIPAL in request else HEAD)

    def sweep(self) -> None:
        """End the connections whose deadline has passed."""
        now = asyncio.get_running_loop().time()
        for visitor in [each for each in self._visitors.values() if each.deadline <= now]:
            visitor.close()


class Visitor(asyncio.Protocol):
    """One connection, between its transport and aiohttp's protocol. `deadline`: loop time at which
    it ends.
    """

    _transport: asyncio.Transport

    def __init__(self, porch: Porch, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self.deadline = float("inf")
        self._porch = porch
        self._waits = True  # for the first byte of a request
        self._inside = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._porch.enter(self):
            # Closed before its request is read, the peer would see a reset instead of the answer.
            self._transport.write(FULL)
            asyncio.get_running_loop().call_later(REFUSED, self._transport.abort)
            return
        self._inside = True
        self._ends_in(HEAD)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._inside:
            self._transport.close()
            return
        if self._waits:
            self._waits = False
            self._ends_in(HEAD)
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received() if self._inside else None

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inside:
            self._porch.leave(self)
            self.inner.connection_lost(exc)

    def answering(self, request: web.Request) -> None:
        """The head of a request is here."""
        self._waits = False
        self._porch.know(self)
        self._ends_in(BODY)
        request.content.on_eof(self._heard)

    def answered(self, idle: float) -> None:
        """The answer is on its way; the next request may begin for so many seconds."""
        self._waits = True
        self._ends_in(idle)

    def close(self) -> None:
        """End the connection; a handler that reads its body sees that it has gone."""
        self._transport.abort()

    def _heard(self) -> None:
        self.deadline = float("inf")

    def _ends_in(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds


class PorchSite(web.BaseSite):
    """Where an application listens: behind its porch."""

    def __init__(
        self,
        runner: web.BaseRunner,
        porch: Porch,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=tls)
        self._porch = porch
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen; raises `OSError` where the port cannot be had."""
        await super().start()
        server = self._runner.server
        assert server is not None  # the runner is set up
        tls = self._ssl_context
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Visitor(self._porch, server()),
            self._host,
            self._port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE if tls else None,
            backlog=BACKLOG,
        )
