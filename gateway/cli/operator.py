"""Speaking to the running gateway from its own machine: who may read its database may act as an
admin.

For the time of one command there is a token of an admin; `GATEWAY_TOKEN` names another one to use.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import aiohttp

from gateway.access import tokens
from gateway.cli.administration import changing, running
from gateway.cli.app import configured, fail
from gateway.tls import trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

Trust: TypeAlias = "ssl.SSLContext | bool"

LIFETIME = 24 * 3600 * 1000  # ms, for a `tail` that is left alone
# s; a refusal is held back for up to 10 s where others failed to sign in from this address
PATIENCE = 15.0
PAUSE = 0.3  # s between two tries


@asynccontextmanager
async def operator(config: Path | None) -> AsyncIterator[tuple[str, str, Trust]]:
    """Give the address of the running gateway, a token that it accepts, and whom to show it to; the
    token ends with the block.
    """
    where = running(config)
    if where is None:
        fail("no gateway is running on this database: start it with `gateway run`")
    trust = trusted(where.url, config)
    if given := os.environ.get("GATEWAY_TOKEN"):
        yield where.url, given, trust
        return
    with changing(config) as (tables, by):
        admin = next(
            (user for user in tables.users.all() if user.role == "admin" and not user.disabled),
            None,
        )
        if admin is None:
            fail("there is no admin yet: make one with `gateway user add EMAIL --admin`")
        issued = tokens.create(
            tables,
            by,
            user=admin.id,
            scope="admin",
            name=f"command line, as {admin.email}",
            expires=by.at + LIFETIME,
            noted=False,
        )
    for number in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # whichever way the command ends, the token does too
        asyncio.get_running_loop().add_signal_handler(number, _this_task().cancel)
    try:
        await _accepted(where.url, issued.secret, trust)
        yield where.url, issued.secret, trust
    finally:
        with changing(config) as (tables, by):
            tokens.revoke(tables, by, issued.record.id, noted=False)


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def trusted(url: str, config: Path | None) -> Trust:
    """Return what the gateway's certificate is held against: the one of the configuration.

    It is for the name that others know the gateway by, so its name says nothing here; on loopback
    nobody else answers.
    """
    host = urlsplit(url).hostname or ""
    tls = configured(config).http.tls
    if tls is None or host == "localhost" or _is_loopback(host):
        return False
    try:
        return trusting(tls.cert)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        fail(f"[http.tls] cert: {tls.cert}: {error}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _accepted(url: str, token: str, trust: Trust) -> None:
    """Wait until the running gateway takes the token; seldom more than once, for each refusal
    counts as one.
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(PATIENCE):
            while True:
                async with session.get(f"{url}/api/v1/me", ssl=trust) as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        fail(
            f"the gateway at {url} does not take the command line's token in: look at what it logs"
        )
