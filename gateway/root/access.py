"""Who there is, and who may do what."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.access.journal import Journal
from gateway.access.passwords import Passwords
from gateway.access.policy import Policy
from gateway.access.registry import Registry
from gateway.access.sign_in import SignIn
from gateway.access.throttle import Throttle
from gateway.bridges.mqtt.conventions import gateway
from gateway.bridges.mqtt.roots import Roots
from gateway.clock import now_ms
from gateway.root import tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.bridges.mqtt.routes import Routes
    from gateway.config import Config
    from gateway.root.tasks import Tasks
    from gateway.stores import Store


class Access(msgspec.Struct, frozen=True):
    """The registry and those who ask it."""

    routes: Routes
    roots: Roots
    registry: Registry
    policy: Policy
    journal: Journal
    passwords: Passwords
    sign_in: SignIn


@asynccontextmanager
async def access(config: Config, store: Store, tasks: Tasks) -> AsyncIterator[Access]:
    """Read the registry, and follow it."""
    routes = gateway.routes(tables.routes(config))
    roots = Roots(lambda topic: routes.find(topic) is not None)
    registry = Registry(store.registry, clock=now_ms)
    await registry.load()
    policy = Policy(
        registry,
        find=lambda topic: routes.find(topic) or roots.find(topic),
        own=roots,
        device_to_device=config.access.device_to_device,
    )
    journal = Journal(store.audit, clock=now_ms)
    passwords = Passwords()
    throttle = Throttle(clock=time.monotonic)
    sign_in = SignIn(registry, throttle, journal, passwords, claim_code=config.access.claim_code)
    try:
        async with tasks.beside(("registry", registry.run()), ("journal", journal.run())):
            yield Access(routes, roots, registry, policy, journal, passwords, sign_in)
    finally:
        passwords.close()
        await journal.close()
