"""The whole gateway: six parts, each built on those before it, and ended before them.

So that what was accepted is stored, shown and acknowledged, clients are sent away first and the
database is closed last.
"""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway import addresses
from gateway.errors import Invalid
from gateway.root import mqtt
from gateway.root.access import Access, access
from gateway.root.conventions import conventions
from gateway.root.core import Core, core
from gateway.root.parts import Parts
from gateway.root.reactions import Reactions, reactions
from gateway.root.store import store
from gateway.root.tasks import Tasks
from gateway.root.web import Web, web
from gateway.running import Whereabouts, alone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config import Config
    from gateway.root.mqtt import Mqtt
    from gateway.stores import Store, Upkeep

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005  # s; a database thread that wants the interpreter back waits no longer


class Gateway(msgspec.Struct, frozen=True):
    """A running gateway, as the command line and tests see it."""

    config: Config
    tasks: Tasks
    store: Store
    upkeep: Upkeep
    access: Access
    core: Core
    mqtt: Mqtt
    reactions: Reactions
    web: Web

    async def wait(self) -> None:
        """Wait for ever, or raise the error of the first essential part that fails."""
        await self.tasks.failure()

    @property
    def ports(self) -> dict[str, int]:
        """The bound ports: `http`, `mqtt`, `mqtts`."""
        return {"http": self.web.port, **self.mqtt.broker.ports}

    @property
    def url(self) -> str:
        """Where programs on this machine find it."""
        http = self.config.http
        return addresses.local_url(http.host, self.web.port, tls=http.tls is not None)

    @property
    def public_url(self) -> str:
        """The address that links, pages and sketches give: `[http] url`, or this machine's own."""
        http = self.config.http
        own = addresses.public_url(http.host, self.web.port, tls=http.tls is not None)
        return (http.url or own).rstrip("/")

    def reload(self) -> None:
        """Take up what SIGHUP asks for: renewed certificates and changed handlers."""
        for tls in filter(None, (self.mqtt.tls, self.web.tls)):
            try:
                tls.reload()
            except Invalid as error:
                log.error("the certificate stays as it was: %s", error)
            else:
                log.info("the certificate is read anew")
        self.tasks.watch(self._reload_handlers(), "reload")

    async def _reload_handlers(self) -> None:
        try:
            await self.reactions.handlers.reload(self.config.handlers.modules)
        except Invalid as error:
            log.error("the handlers stay as they were: %s", error)
        else:
            log.info("the handlers are read anew")


@asynccontextmanager
async def started(config: Config) -> AsyncIterator[Gateway]:
    """Run a gateway; raises `GatewayError` or `OSError` where a part cannot be built."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    tasks = Tasks()
    with alone(config.store.path) as lock:
        async with (
            store(config, tasks) as kept,
            access(config, kept.store, tasks) as who,
            core(config, kept.store, who, tasks) as inside,
            conventions(config, who, inside, tasks) as spoken,
        ):
            engine = await mqtt.build(config, kept.store, who, inside, spoken)
            async with (
                reactions(config, who, inside, tasks) as reacts,
                mqtt.listening(engine, inside.intake),
            ):
                parts = Parts(kept.store, kept.upkeep, who, inside, engine, reacts)
                async with web(config, parts, tasks) as served:
                    gateway = Gateway(
                        config, tasks, kept.store, kept.upkeep, who, inside, engine, reacts, served
                    )
                    lock.tell(Whereabouts(gateway.url, gateway.public_url, gateway.ports))
                    who.registry.on_read(lock.read_upto)
                    yield gateway
