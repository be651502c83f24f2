"""Speaking to the running gateway from its own machine: who may read its database may act as an
admin.

For the time of one command there is a token of an admin; `GATEWAY_TOKEN` names another one to use.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from gateway.access import tokens
from gateway.cli.administration import changing, running
from gateway.cli.app import fail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIFETIME = 24 * 3600 * 1000  # ms, for a `tail` that is left alone
# s; a refusal is held back for up to 10 s where others failed to sign in from this address
PATIENCE = 15.0
PAUSE = 0.3  # s between two tries


@asynccontextmanager
async def operator(config: Path | None) -> AsyncIterator[tuple[str, str]]:
    """Give the address of the running gateway and a token that it accepts; the token ends with the
    block.
    """
    where = running(config)
    if where is None:
        fail("no gateway is running on this database: start it with `gateway run`")
    if given := os.environ.get("GATEWAY_TOKEN"):
        yield where.url, given
        return
    with changing(config) as (tables, by):
        admin = next(
            (user for user in tables.users.all() if user.role == "admin" and not user.disabled),
            None,
        )
        if admin is None:
            fail("there is no admin yet: make one with `gateway user add EMAIL --admin`")
        issued = tokens.create(
            tables, by, user=admin.id, scope="admin", name="command line", expires=by.at + LIFETIME
        )
    for number in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # whichever way the command ends, the token does too
        asyncio.get_running_loop().add_signal_handler(number, _this_task().cancel)
    try:
        await _accepted(where.url, issued.secret)
        yield where.url, issued.secret
    finally:
        with changing(config) as (tables, by):
            tokens.revoke(tables, by, issued.record.id)


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _accepted(url: str, token: str) -> None:
    """Wait until the running gateway takes the token; seldom more than once, for each refusal
    counts as one.
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(PATIENCE):
            while True:
                async with session.get(f"{url}/api/v1/me", ssl=False) as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        fail(
            f"the gateway at {url} does not take the command line's token in: look at what it logs"
        )
