"""The bridge: clients in, their events to telemetry, commands back to them as events."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from gateway.bridges.edge.anonymous import Anonymous
from gateway.bridges.edge.sockets import Open, accepted
from gateway.bridges.edge.values import Values
from gateway.bridges.iotio import handshake
from gateway.bridges.iotio.admission import Admission
from gateway.bridges.iotio.endpoint_api import EndpointApi
from gateway.bridges.iotio.handshake import Refusal
from gateway.bridges.iotio.link import V0_2, IotIoLink, complain, read, spoken
from gateway.bridges.iotio.packets import Packet
from gateway.errors import Forbidden, GatewayError, Invalid, Unauthenticated
from gateway.frames import to_json
from gateway.payloads import one_value

if TYPE_CHECKING:
    from aiohttp import WSMessage

    from gateway.access.principal import Principal
    from gateway.access.registry import Registry
    from gateway.asking import SendCommand
    from gateway.bridges.edge.door import Door
    from gateway.bridges.edge.sockets import Socket
    from gateway.bridges.iotio.handshake import Hello
    from gateway.bridges.iotio.link import Dialect
    from gateway.catalog import Catalog
    from gateway.intake import Intake
    from gateway.pace import Pace
    from gateway.presence import Presence
    from gateway.shapes import Clock, TellOfDevice

log = logging.getLogger(__name__)

FIRST_PACKET = 10.0  # s for a client of version 0.2 to say who it is


class IotIo:
    """Serves iot.io clients. `send(principal, device, name, value, ttl)` sends a command, value
    being JSON text.

    `ready(device)`: what waits for a device may go out. `anonymous`: see `Admission`. `max_size`:
    bytes of a message.
    """

    def __init__(
        self,
        *,
        door: Door,
        registry: Registry,
        intake: Intake,
        catalog: Catalog,
        presence: Presence,
        ready: TellOfDevice,
        send: SendCommand,
        pace: Pace,
        clock: Clock,
        max_size: int,
        anonymous: bool = False,
    ) -> None:
        nobody = Anonymous(
            door=door, registry=registry, clock=clock, name="iot.io", permitted=anonymous
        )
        self._admission = Admission(door=door, registry=registry, clock=clock, anonymous=nobody)
        self._values = Values(intake=intake, catalog=catalog, clock=clock)
        self._presence = presence
        self._ready = ready
        self._pace = pace
        self._max_size = max_size
        self._links: dict[str, IotIoLink] = {}
        self._api = EndpointApi(door=door, send=send, link=self._links.get, anonymous=nobody)
        self.open = Open(door.valid)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/iot.io{rest:.*}", self.handle, allow_head=False),
            web.post("/api/iot.io", self._api.handle),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client until its connection ends."""
        dialect = spoken(request.headers)
        hello = None
        async with accepted(request, max_size=self._max_size, may_be_busy=True) as socket:
            try:
                hello = await self._hello(request, socket, dialect)
                if hello is not None:
                    principal = await self._admission.admit(hello, request)
                    await self._serve(socket, dialect, hello, principal)
            except GatewayError as error:
                who = hello.device if hello is not None else "a client"
                log.info("iot.io: %s from %s is refused: %s", who, socket.address, error)
                await self._refuse(socket, dialect, error)
        return socket.response

    async def _hello(self, request: web.Request, socket: Socket, dialect: Dialect) -> Hello | None:
        if dialect is not V0_2:
            return handshake.from_headers(request.headers)
        try:
            async with asyncio.timeout(FIRST_PACKET):
                first = await socket.next()
        except TimeoutError:
            raise Refusal("client_no_id", f"no packet within {FIRST_PACKET:.0f} s") from None
        if first is None:
            return None
        if first.type is not WSMsgType.TEXT:
            raise Refusal("client_invalid_packet", "without headers, the first packet is a text")
        return handshake.from_packet(first.data)

    async def _refuse(self, socket: Socket, dialect: Dialect, error: GatewayError) -> None:
        """Say why in the protocol's words, and close; a wrong key is answered when its time has
        come.
        """
        await asyncio.sleep(error.delay)
        if isinstance(error, Unauthenticated | Forbidden):
            complain(socket, dialect, "client_invalid_data")  # the key is part of the data
        elif isinstance(error, Refusal):
            complain(socket, dialect, error.word, error.info)
        await socket.close(error)

    async def _serve(
        self, socket: Socket, dialect: Dialect, hello: Hello, principal: Principal
    ) -> None:
        link = IotIoLink(hello.device, dialect, socket, hello.endpoints)
        self.open.add(socket, principal)
        try:
            self._begin(link)
            await self._tell(link, "data", hello.data)  # what it says of itself, but for its key
            await self._tell(link, "endpoints", hello.declared)
            while (message := await socket.next()) is not None:
                await self._pace.turn(link.device)
                await self._read(link, message)
        finally:
            self.open.discard(socket)
            self._end(link)

    async def _tell(self, link: IotIoLink, name: str, value: Any) -> None:
        """Keep what a client says when it connects, where that is new."""
        last = self._values.last(link.device, name)
        if last is None and not value:
            return
        text_ = one_value(to_json(value).encode(), "json")
        if text_ != last:
            await self._take(link, Packet(name, text_))

    def _begin(self, link: IotIoLink) -> None:
        older = self._links.get(link.device)
        self._links[link.device] = link
        self._presence.connected(link)
        if older is not None:
            older.taken_over()
            self._presence.disconnected(older, older.socket.departure)
        self._ready(link.device)

    def _end(self, link: IotIoLink) -> None:
        if self._links.get(link.device) is link:
            del self._links[link.device]
        self._presence.disconnected(link, link.socket.departure)

    async def _read(self, link: IotIoLink, message: WSMessage) -> None:
        """Take an event in; one that is wrong costs nothing but itself."""
        try:
            packet = read(link.dialect, message.type, message.data)
        except Invalid as error:
            await self._complain(link, error)
        else:
            await self._take(link, packet)

    async def _take(self, link: IotIoLink, packet: Packet) -> None:
        try:
            await self._values.take(link.device, packet.event, packet.value)
        except GatewayError as error:
            await self._complain(link, error)

    async def _complain(self, link: IotIoLink, error: GatewayError) -> None:
        """Answer a packet that is wrong; the log tells the first of a connection."""
        if not link.complained:
            link.complained = True
            log.info("a packet of %s is refused, more are not logged: %s", link.device, error)
        link.complain("client_invalid_packet")
        await link.socket.drained()  # who sends and does not read is not read
