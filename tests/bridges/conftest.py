"""The real core without MQTT, over a real database, and an HTTP server on a port of its own."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

import argon2
import pytest

from gateway.access import accounts, devices, sessions, tokens
from gateway.access.journal import Journal
from gateway.access.passwords import Passwords
from gateway.access.policy import Policy
from gateway.access.registry import Registry
from gateway.access.requests import COOKIE
from gateway.access.sign_in import SignIn
from gateway.access.throttle import Throttle
from gateway.bridges.mqtt.conventions import gateway
from gateway.catalog import Catalog
from gateway.commands import Commands
from gateway.frames import MAX_TS
from gateway.hub import Hub
from gateway.intake import Intake
from gateway.presence import Presence
from gateway.store.audit import By
from gateway.stores import Store, open_store
from gateway.valve import Valve


class Clock:
    """Milliseconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_763_673_303_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Core:
    """All parts below the bridges, wired as the daemon does."""

    clock: Clock
    kept: Store
    catalog: Catalog
    hub: Hub
    intake: Intake
    presence: Presence
    commands: Commands
    registry: Registry
    journal: Journal
    passwords: Passwords
    sign_in: SignIn
    policy: Policy

    async def do(self, work, *args, **kwargs):
        """Apply a change to the registry as the test itself."""
        return await self.registry.apply(
            work, By("test", "10.0.0.1", self.clock.now), *args, **kwargs
        )

    async def user(self, email="ann@example.org", *, password=None, role="user"):
        """Return a new user's number."""
        kept = await self.passwords.hash(password) if password else None
        return (await self.do(accounts.create, email=email, password=kept, role=role)).id

    async def device(self, name, owner=None, **more):
        """Make a device; return its key."""
        return (await self.do(devices.create, id=name, owner=owner, **more)).secret

    async def bearer(self, user, scope="admin", **more):
        """Return the headers of a new token."""
        issued = await self.do(tokens.create, user=user, scope=scope, **more)
        return {"Authorization": f"Bearer {issued.secret}"}

    async def cookie(self, user):
        """Return the headers of a browser that has signed in."""
        issued = await self.do(sessions.open_session, user)
        return {"Cookie": f"{COOKIE}={issued.secret}"}

    async def store(self, device, channel, value, ts=None, type_="telemetry", extra=""):
        """Store one frame; return its seq."""
        series = self.catalog.series(type_, device, channel)
        return await self.intake.store([(series, self.clock() if ts is None else ts, value, extra)])


def basic(device, key):
    """Return the headers of a device that shows its key."""
    return {"Authorization": "Basic " + base64.b64encode(f"{device}:{key}".encode()).decode()}


@pytest.fixture
async def core(tmp_path):
    """The core over an empty database."""
    clock = Clock()
    kept = await open_store(tmp_path / "gateway.db", durability="normal")
    opened = await kept.history.opened(MAX_TS)
    catalog = Catalog(opened)

    hub = Hub(epoch=opened.epoch, seq=opened.seq, catalog=catalog, read=kept.history.after)
    intake = Intake(
        seq=opened.seq,
        commit=kept.history.append,
        publish=hub.publish,
        unsaved=catalog.take_unsaved,
        valve=Valve(),
    )
    registry = Registry(kept.registry, clock=clock)
    await registry.load()
    journal = Journal(kept.audit, clock=clock)
    passwords = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    throttle = Throttle(clock=lambda: clock() / 1000)
    sign_in = SignIn(registry, throttle, journal, passwords, claim_code="open sesame")
    policy = Policy(registry, find=gateway.routes().find)
    presence = Presence(intake=intake, catalog=catalog, clock=clock, http_timeout=60.0)
    presence.start()
    commands = Commands(
        intake=intake,
        store=kept.commands,
        catalog=catalog,
        links=presence.links,
        exists=registry.devices.__contains__,
        clock=clock,
    )
    await commands.start()

    def changed(change):
        if change.kind == "device" and change.gone:
            intake.submit((), facts=(catalog.hide(change.key),))
        hub.invalidate()

    registry.on_change(changed)
    running = asyncio.create_task(intake.run())
    yield Core(
        clock,
        kept,
        catalog,
        hub,
        intake,
        presence,
        commands,
        registry,
        journal,
        passwords,
        sign_in,
        policy,
    )
    intake.close()
    await running
    passwords.close()
    await kept.close()
