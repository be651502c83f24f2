"""A house with people in it: two users with their devices, an admin, and every kind of principal
there is.

ann owns kitchen, lamp and shed; bob owns attic; the admin owns nothing. shed is disabled. The
kitchen may publish to plant/line/1 besides.
"""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from gateway.access import accounts, devices, links, sessions, tokens
from gateway.access.requests import COOKIE
from gateway.clock import now_ms
from gateway.store.audit import By
from tests.end_to_end.conftest import BY, House, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GRANTED = "plant/line/1"


@dataclass(frozen=True)
class Shown:
    """What a principal shows to sign in: a name and a secret, or a cookie, or nothing."""

    username: str | None = None
    secret: str = ""
    cookie: str = ""

    @property
    def headers(self) -> dict[str, str]:
        if self.cookie:
            return {"Cookie": f"{COOKIE}={self.cookie}"}
        if self.username == "token":
            return {"Authorization": f"Bearer {self.secret}"}
        if self.username is None:
            return {}
        return {
            "Authorization": "Basic "
            + base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        }


@dataclass
class People:
    """The house, its users by name, and what each principal shows. `bare`: a session that shows
    nothing by itself.
    """

    home: House
    bare: aiohttp.ClientSession
    users: dict[str, int]
    shown: dict[str, Shown]
    sessions: dict[str, int]
    tokens: dict[str, int]

    async def apply(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        """Do something as the command line does it, within this process."""
        return await self.home.gateway.access.registry.apply(work, BY, *args, **kwargs)

    async def token(self, name: str, user: str, scope: str, **more: Any) -> Shown:
        """Make a token; what it shows goes by this name."""
        by = more.pop("by", BY)
        issued = await self.home.gateway.access.registry.apply(
            tokens.create, by, user=self.users[user], scope=scope, **more
        )
        self.tokens[name] = issued.record.id
        self.shown[name] = Shown("token", issued.secret)
        return self.shown[name]

    async def cookie(self, name: str, user: str) -> Shown:
        """Sign a user's browser in."""
        by = By("test", "", now_ms())
        issued = await self.home.gateway.access.registry.apply(
            sessions.open_session, by, self.users[user]
        )
        self.sessions[name] = issued.record.id
        self.shown[name] = Shown(cookie=issued.secret)
        return self.shown[name]

    async def link(self, user: str) -> str:
        by = By("test", "", now_ms())
        return (
            await self.home.gateway.access.registry.apply(links.sign_in, by, self.users[user])
        ).secret


@asynccontextmanager
async def people(directory: Path, **tables: Any) -> AsyncIterator[People]:
    """Run a gateway with everybody in it."""
    async with (
        house(directory, **tables) as home,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as bare,
    ):
        here = People(
            home, bare, {}, {"nobody": Shown(), "admin": Shown("token", home.token)}, {}, {}
        )
        here.users["root"] = 1
        for name in ("ann", "bob", "carl"):
            user = await here.apply(accounts.create, email=f"{name}@example.com", password=None)
            here.users[name] = user.id
        for device, owner in (
            ("kitchen", "ann"),
            ("lamp", "ann"),
            ("shed", "ann"),
            ("attic", "bob"),
        ):
            grants = (GRANTED,) if device == "kitchen" else ()
            here.shown[device] = Shown(
                device, await home.add(device, owner=here.users[owner], grants=grants)
            )
        await _make_tokens(here)
        await _take_away(here)
        yield here


async def _make_tokens(here: People) -> None:
    await here.token("read", "ann", "read")
    await here.token("write", "ann", "write")
    await here.token("full", "ann", "admin")
    await here.token("lamp only", "ann", "admin", devices=["lamp"])
    await here.token("stranger", "bob", "admin")
    await here.token("admin's read", "root", "read")
    await here.token("revoked", "ann", "admin")
    await here.token("disabled user", "carl", "admin")
    await here.token("expired", "ann", "admin", expires=2)  # BY lives in 1970
    await here.cookie("cookie", "ann")
    await here.cookie("signed out", "ann")


async def _take_away(here: People) -> None:
    await here.apply(tokens.revoke, here.tokens["revoked"])
    await here.apply(accounts.change, here.users["carl"], disabled=True)
    await here.apply(devices.change, "shed", disabled=True)
    await here.apply(sessions.close_session, here.sessions["signed out"])
