"""A whole gateway in this process, as `gateway run` has it, for tests that speak MQTT to it from
outside.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.access import accounts, devices, tokens
from gateway.broker.embedded.core.wheel import TICKS
from gateway.config.load import build
from gateway.daemon import Gateway, started
from gateway.store.audit import By

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BY = By("test", "", 1)


@dataclass
class Home:
    """A running gateway, and an admin's token of scope `write`."""

    gateway: Gateway
    token: str
    later: float = 0.0

    @property
    def port(self) -> int:
        return self.gateway.ports["mqtt"]

    async def add(self, device: str, **more: Any) -> str:
        """Make a device and return its key."""
        return (
            await self.gateway.access.registry.apply(devices.create, BY, id=device, **more)
        ).secret

    def after(self, seconds: float) -> None:
        """Let time pass for every deadline of the broker."""
        core = self.gateway.mqtt.broker.machine  # type: ignore[attr-defined]
        self.later += seconds
        core.shared.clock = lambda: time.time() + self.later
        core.wheel.turn(core.wheel.now + int(seconds * TICKS))
        self.gateway.mqtt.broker.machine.commit_journal()  # type: ignore[attr-defined]
        core.shared.flush()


@asynccontextmanager
async def running(directory: Path, **tables: Any) -> AsyncIterator[Home]:
    """Run a gateway on free ports; `tables` are those of gateway.toml."""
    listen = {"host": "127.0.0.1", "port": 0}
    settings = {
        "mqtt": listen,
        "http": listen,
        "store": {"path": str(directory / "gateway.db")},
        **tables,
    }
    settings.setdefault("broker", {"engine": "embedded"})
    async with started(build(settings, {}, directory / "gateway.toml")) as gateway:
        user = await gateway.access.registry.apply(
            accounts.create, BY, email="admin@example.com", password=None, role="admin"
        )
        token = await gateway.access.registry.apply(tokens.create, BY, user=user.id, scope="write")
        yield Home(gateway, token.secret)
