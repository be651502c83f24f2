"""What is served on the HTTP port: the API, listeners, MQTT over WebSocket and the pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway.access.requests import demand_same_origin
from gateway.bridges.edge.door import Door, offer
from gateway.bridges.http import listening
from gateway.bridges.http.application import application
from gateway.bridges.http.authentication import Authentication
from gateway.bridges.http.origins import Origins
from gateway.bridges.http.places import Places
from gateway.bridges.http.porch import Porch
from gateway.bridges.http.proxies import Proxies
from gateway.bridges.mqtt.websocket import MqttOverWebSocket
from gateway.bridges.sse import Streams
from gateway.bridges.web.pages import Pages
from gateway.bridges.web.place import Place
from gateway.bridges.websocket import WebSockets
from gateway.clock import now_ms
from gateway.errors import Forbidden
from gateway.pace import Pace
from gateway.root import measures
from gateway.root.api import routes
from gateway.root.doors import doors
from gateway.root.seeds import seeds

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.bridges.edge.sockets import Open
    from gateway.config import Config
    from gateway.root.parts import Parts


class Site(msgspec.Struct, frozen=True):
    """The application, and what of it lasts: `open` is open for as long as its peer wants."""

    app: web.Application
    porch: Porch
    door: Door
    open: tuple[Open | Streams, ...]


def site(parts: Parts, config: Config) -> Site:
    """Put the HTTP side together."""
    access, core, size = parts.access, parts.core, config.limits.packet_size
    door = Door(access.sign_in, access.policy, access.registry)
    pace = Pace(core.rates)
    proxies = Proxies(config.http.proxies)
    porch = Porch(Places(core.seats, config.limits.connections), proxies=proxies)
    websockets = WebSockets(
        hub=core.hub, door=door, send=core.asking.send, wait=core.commands.wait, max_size=size
    )
    streams = Streams(hub=core.hub, door=door)
    origins = Origins(config.http.origins)
    mqtt = MqttOverWebSocket(
        accept=parts.mqtt.broker.accept, same_origin=partial(_may_connect, origins), max_size=size
    )
    others = [
        listening.websocket(websockets.handle),
        listening.stream(streams.handle),
        listening.mqtt(mqtt.handle),
    ]
    counted = [*measures.of_parts(parts), *measures.of_listeners(websockets.open, streams, porch)]
    app = application(
        routes(parts, config, pace, counted, others),
        Authentication(access.sign_in, access.registry),
        body_limit=size,
        tls=config.http.tls is not None,
        porch=porch,
        origins=origins,
        proxies=proxies,
    )
    app.add_routes(_pages(parts, config).routes())
    bridges = seeds(parts, config, door, pace)
    for bridge in (*doors(parts, config, door, pace), *bridges):
        app.add_routes(bridge.routes())
    return Site(app, porch, door, (websockets.open, streams, *(bridge.open for bridge in bridges)))


def _pages(parts: Parts, config: Config) -> Pages:
    ports = parts.mqtt.broker.ports
    place = Place(
        url=config.http.url or "",
        mqtt=ports.get("mqtt", config.mqtt.port),
        mqtts=ports.get("mqtts", 0),
    )
    return Pages(
        parts.access.registry,
        parts.access.sign_in,
        clock=now_ms,
        place=place,
        sign_up_open=config.access.sign_up == "open",
    )


def _may_connect(origins: Origins, request: web.Request) -> bool:
    """Tell whether a page may open MQTT over WebSocket from where it comes: the gateway's own, or
    one of `[http] origins`; programs name no origin.
    """
    try:
        demand_same_origin(offer(request))
    except Forbidden:
        return origins.allows(request)
    return True
