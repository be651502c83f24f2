"""Accounts: signing up, in and out; who am I; a new password."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from gateway.access import accounts, fields, links, sessions
from gateway.access.passwords import weakness
from gateway.access.policy import Action
from gateway.access.requests import demand_same_origin, set_cookie, sign_in_by
from gateway.bridges.edge.door import offer
from gateway.bridges.edge.sender import PRINCIPAL, signed_in
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, BODY, Route
from gateway.bridges.http.users import UserAnswer
from gateway.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from gateway.access.keys import Issued
    from gateway.access.passwords import Passwords
    from gateway.access.registry import Registry
    from gateway.access.sign_in import SignIn
    from gateway.bridges.http.authentication import Permission
    from gateway.store.audit import By
    from gateway.store.registry import User, WebSession

_FORM = "application/x-www-form-urlencoded"


class NewUser(msgspec.Struct):
    """An account to make. `invitation`: what an admin's invitation, or the link of the first start,
    ends with.
    """

    email: str
    password: str
    name: str = ""
    invitation: str | None = None


class Login(msgspec.Struct):
    """Email and password, or a sign-in link's last part."""

    email: str | None = None
    password: str | None = None
    link: str | None = None


class LogoutQuery(msgspec.Struct):
    """`everywhere`: end all sessions of the user, not only this one."""

    everywhere: bool = False


class NewPassword(msgspec.Struct):
    """`current` is needed where there is a password already."""

    password: str
    current: str = ""


class Me(msgspec.Struct):
    """Who asks, and how far that reaches. `devices`: what a token is limited to; `expires`: ms
    since 1970.
    """

    key: str
    name: str
    scope: str
    admin: bool
    user: UserAnswer | None
    device: str | None
    devices: list[str] | None
    expires: int | None


class Accounts:
    """What people do with their own account. `secure`: the cookie is for HTTPS only."""

    def __init__(
        self,
        registry: Registry,
        sign_in: SignIn,
        passwords: Passwords,
        permission: Permission,
        *,
        sign_up: Literal["invite", "open"],
        secure: bool,
    ) -> None:
        self._registry = registry
        self._sign_in = sign_in
        self._passwords = passwords
        self._permission = permission
        self._sign_up = sign_up
        self._secure = secure

    def routes(self) -> list[Route]:
        # fmt: off
        return [
            Route(method="POST", path=f"{API}/users", handler=self.register,
                summary="Make an account",
                  body=NewUser, answer=UserAnswer, status=201, open=True),
            Route(method="POST", path=f"{API}/login", handler=self.login, open=True, body=Login,
                answer=UserAnswer,
                  summary="Sign a browser in: JSON, or a form (answered with a redirection to /)"),
            Route(method="POST", path=f"{API}/logout", handler=self.logout, summary="Sign out",
                query=LogoutQuery,
                  status=204),
            Route(method="GET", path=f"{API}/me", handler=self.me, summary="Who you are",
                answer=Me),
            Route(method="POST", path=f"{API}/me/password", handler=self.set_password,
                body=NewPassword, status=204,
                  summary="Set a new password; all other sessions end"),
        ]
        # fmt: on

    async def register(self, request: web.Request) -> web.Response:
        demand_same_origin(offer(request))
        new = parameters.body(request[BODY], NewUser)
        by = self._permission.by(request, "sign-up")
        make = partial(accounts.create, email=new.email, name=new.name)
        if new.invitation is not None:
            # Looked at before the costly hash; used up in the transaction that makes the account.
            text = new.invitation
            await self._registry.ask(links.find, text, by.at, "invitation", "first-admin")
            make = partial(accounts.register, link=text, email=new.email, name=new.name)
        elif self._sign_up != "open":
            by = self._admin(request)
        # All that is wrong is said at once, before the costly hash.
        fields.refuse(
            email=fields.email(new.email),
            name=fields.text(new.name),
            password=weakness(new.password),
        )
        if new.invitation is None and PRINCIPAL not in request:
            self._sign_in.sign_up(request.remote or "")
        password = await self._passwords.hash(new.password, request.remote or "")
        user = await self._registry.apply(make, by, password=password)
        return answers.json(UserAnswer.of(user), 201)

    def _admin(self, request: web.Request) -> By:
        """Return who makes an account for somebody else: an admin, who needs no invitation."""
        shown = offer(request)
        if shown.authorization is not None or shown.cookie:
            signed_in(request, sign_in_by(self._sign_in, shown, acts=True))
            if self._permission.may(request, Action.ADMINISTER):
                self._permission.demand(request, Action.ADMINISTER)
                return self._permission.by(request)
        raise Forbidden("an account needs an admin's invitation")

    async def login(self, request: web.Request) -> web.Response:
        demand_same_origin(offer(request))
        is_form = request.content_type == _FORM
        body = request[BODY]
        given = parameters.form(body, request.charset) if is_form else parameters.json(body)
        asked = parameters.fields_of(given, Login)
        issued = await self._open_session(request, asked)
        user = self._registry.users[issued.record.user]
        response = (
            web.Response(status=303, headers={"Location": "/"})
            if is_form
            else answers.json(UserAnswer.of(user))
        )
        seconds = (issued.record.expires - issued.record.created) // 1000
        response.headers["Set-Cookie"] = set_cookie(issued.secret, seconds, secure=self._secure)
        return response

    async def _open_session(self, request: web.Request, asked: Login) -> Issued[WebSession]:
        if asked.link is not None:
            by = self._permission.by(request, "sign-in link")
            return await self._registry.apply(sessions.open_by_link, by, asked.link)
        missing = {
            name: "is missing" for name in ("email", "password") if getattr(asked, name) is None
        }
        if asked.email is None or asked.password is None:
            raise Invalid("email and password are needed, or a sign-in link", fields=missing)
        user = await self._sign_in.password(asked.email, asked.password, request.remote or "")
        by = self._permission.by(request, f"user:{user.id}")
        return await self._registry.apply(sessions.open_session, by, user.id)

    async def logout(self, request: web.Request) -> web.Response:
        asked = parameters.query(request.query, LogoutQuery)
        by = self._permission.by(request)
        session = _session(request)
        if asked.everywhere:
            await self._registry.apply(sessions.close_all, by, self._permission.user(request))
        elif session is not None:
            await self._registry.apply(sessions.close_session, by, session)
        else:
            raise Invalid(
                "only a browser signs out; a token is revoked by DELETE /api/v1/tokens/ID"
            )
        response = answers.nothing()
        response.headers["Set-Cookie"] = set_cookie("", 0, secure=self._secure)
        return response

    async def me(self, request: web.Request) -> web.Response:
        who = request[PRINCIPAL]
        user = (
            self._registry.users.get(who.owner)
            if who.owner is not None and who.device is None
            else None
        )
        return answers.json(
            Me(
                key=who.key,
                name=who.name,
                scope=who.scope,
                admin=who.admin,
                user=UserAnswer.of(user) if user else None,
                device=who.device,
                devices=sorted(who.devices) if who.devices is not None else None,
                expires=who.expires,
            )
        )

    async def set_password(self, request: web.Request) -> web.Response:
        user = self._registry.users[self._permission.user(request)]
        asked = parameters.body(request[BODY], NewPassword)
        await self._check_current(request, user, asked.current)
        password = await self._passwords.hash(asked.password, request.remote or "")
        by = self._permission.by(request)
        await self._registry.apply(
            accounts.set_password, by, user.id, password, keep=_session(request)
        )
        return answers.nothing()

    async def _check_current(self, request: web.Request, user: User, current: str) -> None:
        if user.password is not None:
            await self._sign_in.password(user.email, current, request.remote or "")


def _session(request: web.Request) -> int | None:
    kind, _, number = request[PRINCIPAL].proof.partition(":")
    return int(number) if kind == "session" else None
