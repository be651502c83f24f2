"""A whole gateway with somebody who is signed in, and a browser to look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.access import sessions
from gateway.access.requests import COOKIE
from gateway.clock import now_ms
from gateway.store.audit import By
from tests.browser import chromium
from tests.end_to_end.conftest import house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.end_to_end.conftest import House


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with a kitchen."""
    async with house(
        tmp_path, store={"path": str(tmp_path / "db"), "durability": "normal"}
    ) as here:
        await here.add("kitchen", name="Kitchen window", owner=1)
        yield here


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser without a past."""
    async with chromium() as found:
        yield found


async def signed_in(home: House) -> list[dict[str, str]]:
    """The cookies of a browser in which the admin has signed in."""
    by = By("test", "", now_ms())
    issued = await home.gateway.access.registry.apply(sessions.open_session, by, 1)
    return [{"name": COOKIE, "value": issued.secret, "url": home.url}]
