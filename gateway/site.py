"""What is served on the HTTP port: the API, listeners, MQTT over WebSocket and the pages, put
together.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.access.requests import demand_same_origin
from gateway.bridges.edge.door import Door, offer
from gateway.bridges.http import listening, waiting
from gateway.bridges.http.api import api
from gateway.bridges.http.application import application
from gateway.bridges.http.authentication import Authentication
from gateway.bridges.http.metrics import Measure
from gateway.bridges.http.origins import Origins
from gateway.bridges.http.places import Places
from gateway.bridges.http.porch import Porch, PorchSite
from gateway.bridges.iotcommunicate import IotCommunicate
from gateway.bridges.iotio import IotIo
from gateway.bridges.mqtt.websocket import MqttOverWebSocket
from gateway.bridges.sse import Streams
from gateway.bridges.things import Things
from gateway.bridges.web.pages import Pages
from gateway.bridges.web.place import Place
from gateway.bridges.websocket import WebSockets
from gateway.clock import now_ms
from gateway.errors import Forbidden
from gateway.pace import Pace

if TYPE_CHECKING:
    import ssl

    from aiohttp import web

    from gateway.bridges.edge.sockets import Open
    from gateway.bridges.http.routes import Route
    from gateway.config import Config
    from gateway.daemon import Gateway

RECHECK = 1.0  # s between looks for listeners whose sign-in has ended


class Site:
    """The HTTP side of a gateway whose other parts are built and started."""

    def __init__(self, gateway: Gateway, config: Config) -> None:
        self._gateway = gateway
        self._config = config
        self._size = config.limits.packet_size
        self._app: web.Application | None = None
        self._door = door = Door(gateway.sign_in, gateway.policy, gateway.registry)
        self._websockets = WebSockets(
            hub=gateway.hub,
            door=door,
            send=gateway.asking.send,
            wait=gateway.commands.wait,
            max_size=self._size,
        )
        self._streams = Streams(hub=gateway.hub, door=door)
        self._mqtt = MqttOverWebSocket(
            accept=gateway.broker.accept, same_origin=self._may_connect, max_size=self._size
        )
        self._origins = Origins(config.http.origins)
        self._porch = Porch(Places(gateway.seats, config.limits.connections))
        self._pace = Pace(gateway.rates)
        self._seeds = self._seed_bridges()

    def application(self) -> web.Application:
        """Return the application that serves everything."""
        gateway, secure = self._gateway, self._config.http.tls is not None
        self._app = app = application(
            self._routes(),
            Authentication(gateway.sign_in, gateway.registry),
            body_limit=self._size,
            tls=secure,
            porch=self._porch,
            origins=self._origins,
        )
        pages = Pages(
            gateway.registry,
            gateway.sign_in,
            clock=now_ms,
            place=self._place(),
            sign_up_open=self._config.access.sign_up == "open",
        )
        app.add_routes(pages.routes())
        for bridge in self._seeds:
            app.add_routes(bridge.routes())
        app.on_shutdown.append(self._end_listening)
        return app

    def _place(self) -> Place:
        ports, config = self._gateway.broker.ports, self._config
        return Place(
            url=config.http.url or "",
            mqtt=ports.get("mqtt", config.mqtt.port),
            mqtts=ports.get("mqtts", 0),
        )

    def _seed_bridges(self) -> tuple[IotIo, IotCommunicate, Things]:
        """Return the bridges of the three projects that asked for this gateway."""
        gateway, door = self._gateway, self._door
        iotio = IotIo(
            door=door,
            registry=gateway.registry,
            intake=gateway.intake,
            catalog=gateway.catalog,
            presence=gateway.presence,
            ready=gateway.commands.ready,
            send=gateway.asking.send,
            pace=self._pace,
            clock=now_ms,
            max_size=self._size,
            anonymous=self._config.bridges.iotio.anonymous,
        )
        iotcommunicate = IotCommunicate(
            door=door,
            hub=gateway.hub,
            intake=gateway.intake,
            catalog=gateway.catalog,
            presence=gateway.presence,
            ready=gateway.commands.ready,
            send=gateway.asking.send,
            supersede=gateway.commands.supersede,
            command=gateway.commands.get,
            pace=self._pace,
            clock=now_ms,
            max_size=self._size,
        )
        things = Things(
            door=door,
            registry=gateway.registry,
            hub=gateway.hub,
            intake=gateway.intake,
            catalog=gateway.catalog,
            seen=gateway.presence.seen,
            pace=self._pace,
            clock=now_ms,
            max_size=self._size,
            anonymous=self._config.bridges.things.anonymous,
        )
        return iotio, iotcommunicate, things

    def _routes(self) -> list[Route]:
        gateway = self._gateway
        return api(
            history=gateway.store.history,
            audit=gateway.store.audit,
            trouble=gateway.store.trouble,
            catalog=gateway.catalog,
            hub=gateway.hub,
            intake=gateway.intake,
            presence=gateway.presence,
            commands=gateway.commands,
            registry=gateway.registry,
            policy=gateway.policy,
            sign_in=gateway.sign_in,
            passwords=gateway.passwords,
            asking=gateway.asking,
            clock=now_ms,
            broker=gateway.broker.statistics,
            pace=self._pace,
            sign_up=self._config.access.sign_up,
            secure=self._config.http.tls is not None,
            version=__version__,
            measures=self._measures(),
            others=[
                listening.websocket(self._websockets.handle),
                listening.stream(self._streams.handle),
                listening.mqtt(self._mqtt.handle),
            ],
        )

    def _measures(self) -> list[Measure]:
        """What the parts count that the core does not know."""
        gateway = self._gateway
        return [
            Measure(
                "counter",
                "messages_rejected",
                "Messages that could not be translated",
                lambda: gateway.gate.rejected,
            ),
            Measure(
                "counter",
                "handler_events_dropped",
                "Events that handlers were too slow for",
                lambda: gateway.handlers.dropped,
            ),
            Measure(
                "counter",
                "handler_failures",
                "Exceptions in handlers",
                lambda: gateway.handlers.failed,
            ),
            Measure(
                "counter",
                "webhooks_dropped",
                "Webhook posts given up",
                lambda: gateway.webhooks.dropped,
            ),
            Measure(
                "gauge",
                "websockets",
                "Open WebSockets of listeners",
                lambda: len(self._websockets.open),
            ),
            Measure(
                "gauge",
                "event_streams",
                "Open streams of server-sent events",
                lambda: len(self._streams),
            ),
            Measure(
                "gauge",
                "http_connections",
                "Connections to the HTTP port, those of MQTT left out",
                self.connections,
            ),
        ]

    def listener(self, runner: web.AppRunner, tls: ssl.SSLContext | None) -> PorchSite:
        """Return what listens on the HTTP port."""
        config = self._config.http
        return PorchSite(runner, self._porch, config.host, config.port, tls=tls)

    def connections(self) -> int:
        """Return how many connections there are; those that carry MQTT are the broker's."""
        return len(self._porch)

    async def recheck(self) -> None:
        """End the listeners whose sign-in holds no longer, and who is too slow, until cancelled."""
        while True:
            await asyncio.sleep(RECHECK)
            self._porch.sweep()
            if self._app is not None:
                waiting.recheck(self._app, self._door.valid)
            for open_ in self._open():
                open_.recheck()

    async def _end_listening(self, _: web.Application) -> None:
        await asyncio.gather(*(open_.close() for open_ in self._open()))

    def _may_connect(self, request: web.Request) -> bool:
        """Tell whether a page may open MQTT over WebSocket from where it comes: the gateway's own,
        or one of `[http] origins`; programs name no origin.
        """
        try:
            demand_same_origin(offer(request))
        except Forbidden:
            return self._origins.allows(request)
        return True

    def _open(self) -> tuple[Open | Streams, ...]:
        """Return what is open for as long as its peer wants, by bridge."""
        return self._websockets.open, self._streams, *(bridge.open for bridge in self._seeds)
