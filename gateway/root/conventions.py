"""Devices that speak a convention of their makers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.bridges.mqtt.conventions.table import enabled
from gateway.bridges.mqtt.registrar import Registrar
from gateway.bridges.mqtt.speakers import Speakers
from gateway.bridges.mqtt.translation import Translation
from gateway.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config import Config
    from gateway.root.access import Access
    from gateway.root.core import Core
    from gateway.root.tasks import Tasks
    from gateway.store.registry import Change


class Conventions(msgspec.Struct, frozen=True):
    """Who speaks them, and where what they say of themselves goes."""

    registrar: Registrar
    speakers: Speakers


@asynccontextmanager
async def conventions(
    config: Config, access: Access, core: Core, tasks: Tasks
) -> AsyncIterator[Conventions]:
    """Take up those that were recognised before, and follow the registry."""
    registrar = Registrar(access.registry, access.journal, clock=now_ms)
    speakers = Speakers(
        enabled(config.conventions.names),
        registry=access.registry,
        roots=access.roots,
        registrar=registrar,
        intake=core.intake,
        catalog=core.catalog,
        presence=core.presence,
        commands=core.commands,
        journal=access.journal,
    )
    speakers.start()
    _follow(speakers, access)
    async with tasks.beside(("registrar", registrar.run())):
        yield Conventions(registrar, speakers)


def _follow(speakers: Speakers, access: Access) -> None:
    def changed(change: Change) -> None:
        if change.kind != "device":
            return
        device = access.registry.devices.get(change.key)
        if change.gone or device is None:
            speakers.forget(change.key)
        else:
            speakers.assign(device.id, device.convention, device.root)

    access.registry.on_change(changed)


def translation(access: Access, core: Core, spoken: Conventions) -> Translation:
    """Return what makes frames of messages."""
    return Translation(
        catalog=core.catalog,
        presence=core.presence,
        commands=core.commands,
        asking=core.asking,
        exists=access.registry.devices.__contains__,
        announce=spoken.registrar.announce,
    )
