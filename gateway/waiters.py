"""Waiters: who waits for something to be over, and for how long."""

from __future__ import annotations

import asyncio


class Waiters:
    """Those who wait, by the key of what they wait for."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def wait(self, key: str, seconds: float) -> None:
        """Return when it is settled, or the time is over."""
        waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(key, set())
        waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=seconds)
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiting.pop(key, None)

    def settle(self, key: str) -> None:
        """Let those go on who wait for this."""
        for waiter in self._waiting.get(key, ()):
            resolve(waiter)


def resolve(future: asyncio.Future[None]) -> None:
    """Let whoever awaits it go on; nothing happens where nobody does any more."""
    if not future.done():
        future.set_result(None)
