"""The porch of the HTTP port: how many come in, and how long each may take to say what it wants.

aiohttp waits for a request for as long as nobody closes the connection. Here every connection has a
deadline, which one sweep a second looks at: for the first bytes and the head of a request, for its
body, and between requests. While a request is being answered there is none: long polls and streams
take as long as they take.

A connection that has shown no sign-in is a stranger. Strangers have places of their own, and when
these are taken the oldest stranger goes: whoever signs in at once always gets in.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aiohttp import web

from gateway.access.throttle import network
from gateway.bridges.edge.sender import PLACE, PRINCIPAL
from gateway.bridges.http.protocol import Requests

if TYPE_CHECKING:
    import ssl
    from collections.abc import Container

    from gateway.access.principal import Principal
    from gateway.bridges.http.places import Places
    from gateway.bridges.http.routes import Handler

HEAD = 10.0  # s from the first byte, or from the connection, until a request's head is here
BODY = 60.0  # s for a body: a board on a slow link takes its time
STRANGER = 10.0  # s for a body before sign-in, and for signing in on a WebSocket
IDLE = 75.0  # s between requests after sign-in; before it, requests must come sooner
STRANGERS = 2_000  # connections that have not signed in
OF_ADDRESS = 256  # of them from one address, in IPv6 from one /64
UNASKED = 8 << 10  # bytes that a WebSocket may send before it has signed in
BACKLOG = 4_096
HANDSHAKE = 10.0  # s for TLS


class Porch:
    """Counts the connections and ends those that are too slow.

    `places`: for signed-in clients. `proxies`: their connections are not bounded by address.
    """

    def __init__(
        self,
        places: Places,
        *,
        strangers: int = STRANGERS,
        of_address: int = OF_ADDRESS,
        proxies: Container[str] = (),
    ) -> None:
        self.proxies = proxies
        self.places = places
        self._most_strangers = strangers
        self._most_of_address = of_address
        self._visitors: dict[asyncio.BaseProtocol, Visitor] = {}
        self._strangers: dict[Visitor, None] = {}
        self._networks: dict[str, dict[Visitor, None]] = {}
        self.ended = 0  # strangers, for others

    def __len__(self) -> int:
        return len(self._visitors)

    def enter(self, visitor: Visitor) -> None:
        """Let a stranger in; where there is no place, that of the oldest one is taken."""
        neighbours = self._networks.setdefault(visitor.network, {})
        if len(neighbours) >= self._most_of_address and not visitor.of_proxy:
            self._end(next(iter(neighbours)))
        elif len(self._strangers) >= self._most_strangers:
            self._end(next(iter(self._strangers)))
        self._visitors[visitor.inner] = visitor
        self._strangers[visitor] = None
        self._networks.setdefault(visitor.network, {})[visitor] = None

    def _end(self, oldest: Visitor) -> None:
        self.ended += 1
        self.known(oldest)
        oldest.close()

    def leave(self, visitor: Visitor) -> None:
        """A connection has ended, or is somebody else's."""
        self._visitors.pop(visitor.inner, None)
        self.known(visitor)

    def known(self, visitor: Visitor) -> None:
        """It is no stranger any more."""
        self._strangers.pop(visitor, None)
        neighbours = self._networks.get(visitor.network, {})
        neighbours.pop(visitor, None)
        if not neighbours:
            self._networks.pop(visitor.network, None)

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give a request's body its time, and its answer all the time it takes."""
        visitor = self._visitors.get(request.protocol)
        if visitor is None:  # it has gone
            return await handler(request)
        request[PLACE] = visitor
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
        self.network = ""
        self.of_proxy = False
        self.deadline = float("inf")
        self._porch = porch
        self._principal: Principal | None = None
        self._waits = True  # for the first byte of a request
        self._unasked: int | None = None  # bytes that it may still send, None: no bound of ours

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = (transport.get_extra_info("peername") or ("",))[0]
        self.network = network(peer)
        self.of_proxy = peer in self._porch.proxies
        self._porch.enter(self)
        self._ends_in(HEAD)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._unasked is not None:
            self._unasked -= len(data)
            if self._unasked < 0:
                self.close()
                return
        if self._waits:
            self._waits = False
            self._ends_in(HEAD)
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._porch.leave(self)
        self._give_back()
        self.inner.connection_lost(exc)

    def answering(self, request: web.Request) -> None:
        """The head of a request is here."""
        self._waits = False
        self._ends_in(STRANGER)
        if self._principal is None and "Upgrade" in request.headers:
            self._unasked = UNASKED
        else:
            request.content.on_eof(self._heard)

    def answered(self, idle: float) -> None:
        """The answer is on its way; the next request may begin within that many seconds."""
        self._waits = True
        self._unasked = None
        self._ends_in(idle)

    def signed_in(self, principal: Principal) -> None:
        """It has shown who it is. Raises `TooMany`, `Unavailable`."""
        if self._principal is None or self._principal.key != principal.key:
            self._porch.places.take(principal)
            self._give_back()
            self._principal = principal
            self._porch.known(self)
        if self._unasked is not None:
            self._heard()
        elif self.deadline != float("inf"):
            self._ends_in(BODY)

    def hand_over(self) -> None:
        """Somebody else counts it, and ends it, from now on."""
        self._porch.leave(self)
        self._give_back()
        self._heard()

    def close(self) -> None:
        """End the connection; a handler that reads its body sees that it has gone."""
        self._transport.abort()

    def _give_back(self) -> None:
        if self._principal is not None:
            self._porch.places.leave(self._principal)
            self._principal = None

    def _heard(self) -> None:
        self.deadline = float("inf")
        self._unasked = None

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
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Visitor(self._porch, Requests(server, loop, tls=tls is not None)),
            self._host,
            self._port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE if tls else None,
            backlog=BACKLOG,
        )
