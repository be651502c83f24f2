"""API tokens of the user who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway import times  # noqa: TC001 - msgspec reads the annotations
from gateway.access import tokens
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, BODY, Route
from gateway.errors import NotFound

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.registry import Registry
    from gateway.bridges.http.authentication import Permission
    from gateway.store.registry import Token


class NewToken(msgspec.Struct):
    """A token to make. `devices`: what it is limited to; `expires`: RFC 3339 or ms since 1970."""

    scope: Literal["read", "write", "admin"]
    name: str = ""
    devices: list[str] | None = None
    expires: times.Moment | None = None


class TokenAnswer(msgspec.Struct):
    """A token; `token`, the secret, only when it is new. Times are ms since 1970."""

    id: int
    name: str
    scope: str
    devices: list[str] | None
    expires: int | None
    created: int
    last_used: int | None
    token: str | UnsetType = UNSET


class TokenList(msgspec.Struct):
    """The asker's tokens."""

    tokens: list[TokenAnswer]


class Tokens:
    """Keeps the tokens of whoever asks."""

    def __init__(self, registry: Registry, permission: Permission) -> None:
        self._registry = registry
        self._permission = permission

    def routes(self) -> list[Route]:
        # fmt: off
        return [
            Route(method="GET", path=f"{API}/tokens", handler=self.list, summary="Your tokens",
                answer=TokenList),
            Route(method="POST", path=f"{API}/tokens", handler=self.create,
                summary="Make a token; it is shown once",
                  body=NewToken, answer=TokenAnswer, status=201),
            Route(method="DELETE", path=f"{API}/tokens/{{id}}", handler=self.revoke, status=204,
                  summary="Revoke a token; it stops at once"),
        ]
        # fmt: on

    async def list(self, request: web.Request) -> web.Response:
        user = self._permission.user(request)
        own = [_answer(token) for token in self._registry.tokens.values() if token.user == user]
        return answers.json(TokenList(own))

    async def create(self, request: web.Request) -> web.Response:
        user = self._permission.user(request)
        new = parameters.body(request[BODY], NewToken)
        issued = await self._registry.apply(
            tokens.create,
            self._permission.by(request),
            user=user,
            scope=new.scope,
            name=new.name,
            devices=new.devices,
            expires=new.expires.ms if new.expires else None,
        )
        return answers.json(_answer(issued.record, issued.secret), 201)

    async def revoke(self, request: web.Request) -> web.Response:
        user, number = self._permission.user(request), request.match_info["id"]
        own = {
            str(token.id): token.id
            for token in self._registry.tokens.values()
            if token.user == user
        }
        if number not in own:
            raise NotFound(f"you have no token {number[:40]!r}")
        await self._registry.apply(tokens.revoke, self._permission.by(request), own[number])
        return answers.nothing()


def _answer(token: Token, secret: str | UnsetType = UNSET) -> TokenAnswer:
    return TokenAnswer(
        id=token.id,
        name=token.name,
        scope=token.scope,
        devices=sorted(token.devices) if token.devices is not None else None,
        expires=token.expires,
        created=token.created,
        last_used=token.last_used,
        token=secret,
    )
