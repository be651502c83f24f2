"""What devices say of themselves and their children, on its way into the registry.

A message cannot wait for a change of the registry: it is noted here and applied in order by one
task. Of several descriptions of one device that wait, the newest counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.access import abouts, devices
from gateway.errors import GatewayError
from gateway.store.audit import By

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.about import About
    from gateway.access.journal import Journal
    from gateway.access.registry import Registry
    from gateway.shapes import Clock

log = logging.getLogger(__name__)

WAITING = 10_000  # changes


class _Change(NamedTuple):
    work: Any
    by: str
    device: str
    arguments: tuple[Any, ...]
    then: Callable[[bool], None] | None


class Registrar:
    """Applies changes to the registry. `clock`: ms since 1970 UTC. Let `run` run."""

    def __init__(self, registry: Registry, journal: Journal, *, clock: Clock) -> None:
        self._registry = registry
        self._journal = journal
        self._clock = clock
        self._changes: deque[_Change] = deque()
        self._abouts: dict[tuple[Any, str], About] = {}
        self._woken = asyncio.Event()
        self.lost = 0

    def adopt(self, hub: str, child: str, then: Callable[[bool], None]) -> None:
        """Add a child below a hub; `then(there)` tells whether it is there."""
        self._put(_Change(devices.adopt, hub, hub, (child,), then))

    def recognise(
        self, device: str, convention: str, root: str, then: Callable[[bool], None]
    ) -> None:
        """Note how a device speaks."""
        self._put(_Change(devices.recognise, device, device, (convention, root), then))

    def remove(self, hub: str, child: str) -> None:
        """Take a child away, if it is this hub's."""
        known = self._registry.devices.get(child)
        if known is not None and known.parent == hub:
            self._put(_Change(devices.remove, hub, child, (), None))

    def describe(self, by: str, device: str, known: About) -> None:
        """Take what a convention knows of a device."""
        self._say(abouts.describe, by, device, known)

    def announce(self, device: str, said: About) -> None:
        """Take what a device says of itself, where it is something new."""
        known = self._registry.abouts.get(device)
        if (known.said if known is not None else {}) == said and not self._changes:
            return
        self._say(abouts.announce, device, device, said)

    def _say(self, work: Any, by: str, device: str, about: About) -> None:
        waiting = (work, device) in self._abouts
        self._abouts[(work, device)] = about
        if not waiting:
            self._put(_Change(work, by, device, (), None))

    def _put(self, change: _Change) -> None:
        if len(self._changes) >= WAITING:
            self.lost += 1
            self._abouts.pop((change.work, change.device), None)
            if change.then is not None:
                change.then(False)
            return
        self._changes.append(change)
        self._woken.set()

    async def run(self) -> None:
        """Apply what comes until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._changes:
                await self._apply(self._changes.popleft())

    async def _apply(self, change: _Change) -> None:
        arguments = change.arguments
        if (about := self._abouts.pop((change.work, change.device), None)) is not None:
            arguments = (about,)
        by = By(f"device:{change.by}", "", self._clock())
        there = False
        try:
            await self._registry.apply(change.work, by, change.device, *arguments)
            there = True
        except GatewayError as error:
            self._journal.refused(
                by.actor, f"{change.work.__name__} refused: {error}", change.device
            )
        except Exception:  # one device's words cost nobody else anything
            log.exception("what %s says of %s", change.by, change.device)
        if change.then is not None:
            change.then(there)
