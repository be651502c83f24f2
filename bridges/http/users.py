"""Users, for admins: list, change, remove, invite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway.access import accounts, links
from gateway.access.policy import Action
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, BODY, Route
from gateway.errors import NotFound

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.registry import Registry
    from gateway.bridges.http.authentication import Permission
    from gateway.store.registry import User


class UserAnswer(msgspec.Struct):
    """A user. `created`: ms since 1970."""

    id: int
    email: str
    name: str
    role: str
    disabled: bool
    created: int

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        return cls(user.id, user.email, user.name, user.role, user.disabled, user.created)


class UserList(msgspec.Struct):
    """All users."""

    users: list[UserAnswer]


class UserChange(msgspec.Struct):
    """What to change."""

    name: str | UnsetType = UNSET
    role: Literal["admin", "user"] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class NewInvitation(msgspec.Struct):
    """Whom to invite, and as what."""

    email: str | None = None
    role: Literal["admin", "user"] = "user"


class Invitation(msgspec.Struct):
    """What the invited one gives as `invitation` when making the account; shown this once."""

    invitation: str
    email: str | None
    role: str
    expires: int


class Users:
    """What admins do with accounts."""

    def __init__(self, registry: Registry, permission: Permission) -> None:
        self._registry = registry
        self._permission = permission

    def routes(self) -> list[Route]:
        one = f"{API}/users/{{id}}"
        # fmt: off
        return [
            Route(method="GET", path=f"{API}/users", handler=self.list,
                summary="All users (admins)", answer=UserList),
            Route(method="PATCH", path=one, handler=self.change, body=UserChange, answer=UserAnswer,
                  summary="Rename, disable, make an admin (admins)"),
            Route(method="DELETE", path=one, handler=self.remove, status=204,
                  summary="Remove a user who owns no devices (admins)"),
            Route(method="POST", path=f"{API}/invitations", handler=self.invite, body=NewInvitation,
                  answer=Invitation, status=201, summary="Invite somebody (admins)"),
        ]
        # fmt: on

    async def list(self, request: web.Request) -> web.Response:
        self._permission.demand(request, Action.ADMINISTER)
        return answers.json(
            UserList([UserAnswer.of(user) for user in self._registry.users.values()])
        )

    async def change(self, request: web.Request) -> web.Response:
        number = self._number(request)
        asked = parameters.body(request[BODY], UserChange)
        user = await self._registry.apply(
            accounts.change,
            self._permission.by(request),
            number,
            name=asked.name,
            role=asked.role,
            disabled=asked.disabled,
        )
        return answers.json(UserAnswer.of(user))

    async def remove(self, request: web.Request) -> web.Response:
        number = self._number(request)
        await self._registry.apply(accounts.remove, self._permission.by(request), number)
        return answers.nothing()

    async def invite(self, request: web.Request) -> web.Response:
        self._permission.demand(request, Action.ADMINISTER)
        asked = parameters.body(request[BODY], NewInvitation)
        by = self._permission.by(request)
        issued = await self._registry.apply(links.invite, by, email=asked.email, role=asked.role)
        link = issued.record
        return answers.json(Invitation(issued.secret, link.email, link.role, link.expires), 201)

    def _number(self, request: web.Request) -> int:
        """Return the user that the path names, if an admin asks."""
        self._permission.demand(request, Action.ADMINISTER)
        text = request.match_info["id"]
        if not (
            text.isascii()
            and text.isdecimal()
            and len(text) < 19
            and int(text) in self._registry.users
        ):
            raise NotFound(f"there is no user {text[:40]!r}")
        return int(text)
