"""The bridges for clients of iot.io, IOTcommunicate and the REST server for things."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.bridges.iotcommunicate import IotCommunicate
from gateway.bridges.iotio import IotIo
from gateway.bridges.things import Things
from gateway.clock import now_ms

if TYPE_CHECKING:
    from gateway.bridges.edge.door import Door
    from gateway.config import Config
    from gateway.pace import Pace
    from gateway.root.parts import Parts

Seeds: TypeAlias = "tuple[IotIo, IotCommunicate, Things]"


def seeds(parts: Parts, config: Config, door: Door, pace: Pace) -> Seeds:
    """Return the three."""
    size = config.limits.packet_size
    return (
        _iotio(parts, config, door, pace),
        _iotcommunicate(parts, size, door, pace),
        Things(
            door=door,
            registry=parts.access.registry,
            hub=parts.core.hub,
            intake=parts.core.intake,
            catalog=parts.core.catalog,
            seen=parts.core.presence.seen,
            pace=pace,
            clock=now_ms,
            max_size=size,
            anonymous=config.bridges.things.anonymous,
        ),
    )


def _iotio(parts: Parts, config: Config, door: Door, pace: Pace) -> IotIo:
    core = parts.core
    return IotIo(
        door=door,
        registry=parts.access.registry,
        intake=core.intake,
        catalog=core.catalog,
        presence=core.presence,
        ready=core.commands.ready,
        send=core.asking.send,
        pace=pace,
        clock=now_ms,
        max_size=config.limits.packet_size,
        anonymous=config.bridges.iotio.anonymous,
    )


def _iotcommunicate(parts: Parts, size: int, door: Door, pace: Pace) -> IotCommunicate:
    core = parts.core
    return IotCommunicate(
        door=door,
        hub=core.hub,
        intake=core.intake,
        catalog=core.catalog,
        presence=core.presence,
        ready=core.commands.ready,
        send=core.asking.send,
        supersede=core.commands.supersede,
        command=core.commands.get,
        pace=pace,
        clock=now_ms,
        max_size=size,
    )
