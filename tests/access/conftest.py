"""A registry over a real database, with a clock that the test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import argon2
import pytest

from gateway.access.journal import Journal
from gateway.access.passwords import Passwords
from gateway.access.policy import Policy
from gateway.access.registry import Registry
from gateway.access.sign_in import SignIn
from gateway.access.throttle import Throttle
from gateway.bridges.mqtt.conventions import gateway
from gateway.store.audit import By
from gateway.stores import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Clock:
    """Milliseconds that pass when the test says so; `seconds` is the same clock."""

    now: int = 1_763_673_303_000

    def __call__(self) -> int:
        return self.now

    def seconds(self) -> float:
        return self.now / 1000


@dataclass
class Access:
    """All parts of access, wired as the daemon does."""

    path: Path
    store: Store
    clock: Clock
    registry: Registry
    throttle: Throttle
    journal: Journal
    passwords: Passwords
    sign_in: SignIn
    policy: Policy
    changes: list = field(default_factory=list)

    @property
    def by(self) -> By:
        return By("test", "10.0.0.1", self.clock.now)

    async def do(self, work, *args, **kwargs):
        """Apply a change as the test itself."""
        return await self.registry.apply(work, self.by, *args, **kwargs)


@pytest.fixture
async def access(tmp_path):
    """All parts of access over an empty database."""
    clock = Clock()
    store = await open_store(tmp_path / "gateway.db", durability="normal")
    registry = Registry(store.registry, clock=clock)
    throttle = Throttle(clock=clock.seconds)
    journal = Journal(store.audit, clock=clock)
    passwords = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    sign_in = SignIn(registry, throttle, journal, passwords, claim_code="open sesame")
    policy = Policy(registry, find=gateway.routes().find)
    await registry.load()
    found = Access(
        tmp_path / "gateway.db",
        store,
        clock,
        registry,
        throttle,
        journal,
        passwords,
        sign_in,
        policy,
    )
    registry.on_change(found.changes.append)
    yield found
    passwords.close()
    await store.close()
