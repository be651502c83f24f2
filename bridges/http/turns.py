"""Turns at reading history: few for one user at a time, tokens and devices included.

Few connections to the database serve everybody. Who asks for much waits for their own turn, and
nobody else for them.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.bridges.edge.sender import PRINCIPAL
from gateway.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

    from aiohttp import web

AT_ONCE = 2  # reads of one user
AGGREGATES = 1  # of them that go over all frames of a span
WAITING = 100  # reads of one user


class Turns:
    """Gives turns by user; a device that belongs to nobody has its own."""

    def __init__(self, at_once: int, *, waiting: int = WAITING) -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._users: dict[Hashable, tuple[asyncio.Semaphore, list[int]]] = {}

    def __len__(self) -> int:
        return len(self._users)

    @asynccontextmanager
    async def of(self, request: web.Request) -> AsyncIterator[None]:
        """Wait for a turn of the request's user, and hold it. Raises `TooMany`."""
        who = request[PRINCIPAL]
        key = who.key if who.owner is None else who.owner
        turns, there = self._users.setdefault(key, (asyncio.Semaphore(self._at_once), [0]))
        if there[0] >= self._most:
            raise TooMany("too many requests for history at once")
        there[0] += 1
        try:
            async with turns:
                yield
        finally:
            there[0] -= 1
            if not there[0]:
                del self._users[key]
