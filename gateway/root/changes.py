"""How what has changed in the registry takes effect on what is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.registry import Registry
    from gateway.store.registry import Change


def on_removed(registry: Registry, *forget: Callable[[str], None]) -> None:
    """Call these, in order, with the id of each device that is removed."""

    def changed(change: Change) -> None:
        if change.kind == "device" and change.gone:
            for each in forget:
                each(change.key)

    registry.on_change(changed)


def on_any(registry: Registry, settle: Callable[[Sequence[Change]], None]) -> None:
    """Call this once for all changes of a moment, with those that are of something gone.

    A new session takes no right from anybody, nor does what is said of a device.
    """
    gone: list[Change] = []
    settling = False

    def changed(change: Change) -> None:
        nonlocal settling
        if change.kind == "about":
            return
        if change.gone:
            gone.append(change)
        if not settling and (change.kind != "session" or change.gone):
            settling = True
            asyncio.get_running_loop().call_soon(settled)

    def settled() -> None:
        nonlocal settling
        settling = False
        ended = gone.copy()
        gone.clear()
        settle(ended)

    registry.on_change(changed)
