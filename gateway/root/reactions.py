"""What users add: handlers in Python, rules and webhooks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from gateway.clock import now_ms
from gateway.handlers.runtime import Handlers
from gateway.root import tables
from gateway.root.changes import on_removed
from gateway.rules.actions import Actions
from gateway.rules.watching import Rules
from gateway.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config import Config
    from gateway.root.access import Access
    from gateway.root.core import Core
    from gateway.root.tasks import Tasks


class Reactions(msgspec.Struct, frozen=True):
    """What reacts to frames."""

    handlers: Handlers
    webhooks: Webhooks
    rules: Rules


@asynccontextmanager
async def reactions(
    config: Config, access: Access, core: Core, tasks: Tasks
) -> AsyncIterator[Reactions]:
    """Load the handlers and watch for the rules."""
    async with handling(config, access, core, tasks) as handlers:
        webhooks = Webhooks(clock=now_ms)
        actions = Actions(
            commands=core.commands,
            intake=core.intake,
            catalog=core.catalog,
            exists=access.registry.devices.__contains__,
            hook=webhooks.hook,
            clock=now_ms,
        )
        try:
            watching = Rules(
                tables.rules(config), actions, hub=core.hub, catalog=core.catalog, clock=now_ms
            )
            watching.start()
            on_removed(access.registry, watching.forget, handlers.forget)
            try:
                async with tasks.beside(("rules", watching.run())):
                    yield Reactions(handlers, webhooks, watching)
            finally:
                watching.stop()
        finally:
            await webhooks.close()


@asynccontextmanager
async def handling(
    config: Config, access: Access, core: Core, tasks: Tasks
) -> AsyncIterator[Handlers]:
    """Load the handlers; raises `Invalid` where a module cannot be imported."""
    handlers = Handlers(
        hub=core.hub,
        intake=core.intake,
        catalog=core.catalog,
        commands=core.commands,
        presence=core.presence,
        describe=access.registry.devices.get,
        clock=now_ms,
        folder=config.directory,
    )
    try:
        handlers.load(config.handlers.modules)
        async with tasks.beside(("handlers", handlers.run())):
            yield handlers
    finally:
        await handlers.close()
