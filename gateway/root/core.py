"""Frames in and out, and the devices that they are of."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.asking import Asking
from gateway.clock import now_ms
from gateway.commands import Commands
from gateway.errors import Forbidden
from gateway.presence import Presence
from gateway.rates import Rates
from gateway.root.changes import on_any, on_removed
from gateway.root.frames import frames
from gateway.root.store import keeping
from gateway.seats import Seats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.catalog import Catalog
    from gateway.config import Config
    from gateway.hub import Hub
    from gateway.intake import Intake
    from gateway.root.access import Access
    from gateway.root.frames import Frames
    from gateway.root.tasks import Tasks
    from gateway.stores import Store
    from gateway.valve import Valve

# One connection in a hundred is for HTTP alone: probes and admins get in when all are taken.
RESERVE = 100


class Core(msgspec.Struct, frozen=True):
    """What every bridge knows."""

    valve: Valve
    seats: Seats
    rates: Rates
    catalog: Catalog
    hub: Hub
    intake: Intake
    presence: Presence
    commands: Commands
    asking: Asking


@asynccontextmanager
async def core(config: Config, store: Store, access: Access, tasks: Tasks) -> AsyncIterator[Core]:
    """Take up devices and commands where the gateway ended."""
    async with frames(store, tasks) as flow:
        presence = Presence(
            intake=flow.intake,
            catalog=flow.catalog,
            clock=now_ms,
            http_timeout=config.presence.http_timeout,
        )
        presence.start()
        commands = Commands(
            intake=flow.intake,
            store=store.commands,
            catalog=flow.catalog,
            links=presence.reach,
            exists=access.registry.devices.__contains__,
            clock=now_ms,
            keep=keeping(config.history).frames,
        )
        await commands.start()
        built = _core(config, access, flow, presence, commands)
        _follow(built, access)
        async with tasks.beside(("presence", presence.run()), ("commands", commands.run())):
            yield built


def _core(
    config: Config, access: Access, flow: Frames, presence: Presence, commands: Commands
) -> Core:
    most = config.limits.connections
    return Core(
        valve=flow.valve,
        seats=Seats(most, reserve=most // RESERVE),
        rates=Rates(config.limits.messages_per_second, time.monotonic),
        catalog=flow.catalog,
        hub=flow.hub,
        intake=flow.intake,
        presence=presence,
        commands=commands,
        asking=Asking(access.policy, commands, access.journal),
    )


def _follow(core: Core, access: Access) -> None:
    def hide(device: str) -> None:
        core.intake.submit((), None, (core.catalog.hide(device),))

    def cut_off(device: str) -> None:
        core.presence.forget(device, Forbidden("this device was removed"))

    def give_away(device: str) -> None:
        core.commands.forget(device, "the device was given to somebody else")

    on_removed(access.registry, core.commands.forget, hide, cut_off)
    access.registry.on_transfer(give_away)
    core.catalog.owners = access.registry

    def settle(_: object) -> None:
        core.hub.invalidate()
        core.catalog.recount()

    on_any(access.registry, settle)
