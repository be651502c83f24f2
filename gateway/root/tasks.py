"""What runs beside the parts for as long as the gateway does."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

log = logging.getLogger("gateway")


class Tasks:
    """Runs the parts' own routines. Where one fails, the gateway does."""

    def __init__(self) -> None:
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running: set[asyncio.Task[None]] = set()

    async def failure(self) -> None:
        """Wait for ever, or raise the error of the first routine that fails."""
        await asyncio.shield(self._failed)

    def watch(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something that ends by itself, or that its part ends."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    @asynccontextmanager
    async def beside(self, *works: tuple[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
        """Run these, by name, for as long as the context is open."""
        tasks = [self.watch(work, name) for name, work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        log.critical("%s failed", task.get_name(), exc_info=task.exception())
        if not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError(task.get_name()))
