"""The broker, or the way to one elsewhere."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec

from gateway.bridges.mqtt.claiming import Claiming
from gateway.clock import now_ms
from gateway.errors import Forbidden
from gateway.root import tables
from gateway.root.changes import on_any
from gateway.root.conventions import Conventions, translation
from gateway.root.engines import ENGINES
from gateway.root.engines.needs import Needs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.access.principal import Principal
    from gateway.bridges.mqtt.gate import MqttGate
    from gateway.broker.port import Broker
    from gateway.config import Config
    from gateway.intake import Intake
    from gateway.root.access import Access
    from gateway.root.core import Core
    from gateway.store.registry import Change
    from gateway.stores import Store
    from gateway.tls import ServerTls


class Mqtt(msgspec.Struct, frozen=True):
    """The engine and its gate."""

    gate: MqttGate
    broker: Broker
    tls: ServerTls | None


async def build(
    config: Config, store: Store, access: Access, core: Core, spoken: Conventions
) -> Mqtt:
    """Return the engine, its stored state restored, not yet listening."""
    engine = ENGINES[config.broker.engine]
    gate = engine.Gate(
        sign_in=access.sign_in.mqtt,
        known=access.registry.known,
        policy=access.policy,
        routes=access.routes,
        translation=translation(access, core, spoken),
        speakers=spoken.speakers,
        claiming=Claiming(access.registry, clock=now_ms),
        intake=core.intake,
        presence=core.presence,
        ready=core.commands.ready,
        refused=core.commands.refused,
        journal=access.journal,
        clock=now_ms,
    )
    tls = tables.mqtt_tls(config.mqtt.tls)
    needs = Needs(
        config=config,
        gate=gate,
        store=store,
        tls=tls,
        filters=access.routes.filters,
        seats=core.seats,
        rates=core.rates,
    )
    broker = await engine.build(needs)
    elsewhere = partial(engine.links, broker)
    core.presence.stand_in(lambda device: spoken.speakers.links(device) or elsewhere(device))
    core.valve.subscribe(broker.pause, broker.resume)
    _follow(broker, access)
    return Mqtt(gate, broker, tls)


def _follow(broker: Broker, access: Access) -> None:
    def settle(gone: Sequence[Change]) -> None:
        _purge(broker, access, gone)
        broker.forget()
        for connection in list(broker.connections()):
            if not access.registry.stands(cast("Principal", connection.identity)):
                connection.close(Forbidden("your access has ended"))

    on_any(access.registry, settle)


def _purge(broker: Broker, access: Access, gone: Sequence[Change]) -> None:
    """Let nothing of devices, tokens and users that are gone be left in the broker."""
    keys = {f"{change.kind}:{change.key}" for change in gone if change.kind != "session"}
    devices = {change.key for change in gone if change.kind == "device"}
    if devices:
        broker.purge(keys, lambda topic: access.policy.device_of(topic) in devices)
    elif keys:
        broker.purge(keys)


@asynccontextmanager
async def listening(mqtt: Mqtt, intake: Intake) -> AsyncIterator[None]:
    """Let clients in; raises `OSError` where a port cannot be had. At the end, what has come is
    acknowledged first.
    """
    try:
        await mqtt.broker.start()
        yield
    finally:
        mqtt.broker.quiet()
        await intake.settled(patience=5.0)
        await mqtt.broker.stop()
