"""The routes of the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.addresses import public_url
from gateway.bridges.http.api import api
from gateway.bridges.http.asyncapi import Servers
from gateway.clock import now_ms
from gateway.root.store import keeping

if TYPE_CHECKING:
    from gateway.bridges.http.metrics import Measure
    from gateway.bridges.http.routes import Route
    from gateway.config import Config
    from gateway.pace import Pace
    from gateway.root.parts import Parts


def routes(
    parts: Parts,
    config: Config,
    pace: Pace,
    counted: list[Measure],
    others: list[Route],
) -> list[Route]:
    """Return them, with those of other bridges that are documented beside them."""
    access, core = parts.access, parts.core
    return api(
        history=parts.store.history,
        series=parts.store.series,
        kept=keeping(config.history),
        audit=parts.store.audit,
        trouble=parts.store.trouble,
        catalog=core.catalog,
        hub=core.hub,
        intake=core.intake,
        presence=core.presence,
        commands=core.commands,
        registry=access.registry,
        policy=access.policy,
        sign_in=access.sign_in,
        passwords=access.passwords,
        asking=core.asking,
        clock=now_ms,
        broker=parts.mqtt.broker.statistics,
        pace=pace,
        sign_up=config.access.sign_up,
        secure=config.http.tls is not None,
        version=__version__,
        servers=partial(_servers, parts, config),
        measures=counted,
        others=others,
    )


def _servers(parts: Parts, config: Config, port: int) -> Servers:
    own = public_url(config.http.host, port, tls=config.http.tls is not None)
    ports = parts.mqtt.broker.ports
    return Servers(
        url=config.http.url or own, mqtt=ports.get("mqtt", 0), mqtts=ports.get("mqtts", 0)
    )
