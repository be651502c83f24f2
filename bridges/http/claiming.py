"""Claiming: a new board that knows the claim code announces itself, once, and gets its id and
key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.access import devices
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, BODY, Route

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.registry import Registry
    from gateway.access.sign_in import SignIn
    from gateway.bridges.http.authentication import Permission


class Claim(msgspec.Struct):
    """What a board says of itself."""

    claim_code: str
    name: str = ""
    type: str = ""


class Claimed(msgspec.Struct):
    """What a board is from now on; it waits for an owner's approval."""

    id: str
    key: str
    state: str


class Claiming:
    """Takes announcements."""

    def __init__(self, registry: Registry, sign_in: SignIn, permission: Permission) -> None:
        self._registry = registry
        self._sign_in = sign_in
        self._permission = permission

    def routes(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=f"{API}/claim",
                handler=self.post,
                summary="Announce a new board that knows the claim code",
                body=Claim,
                answer=Claimed,
                status=201,
                open=True,
            )
        ]

    async def post(self, request: web.Request) -> web.Response:
        asked = parameters.body(request[BODY], Claim)
        board = self._sign_in.claim(asked.claim_code, asked.name or "board", request.remote or "")
        by = self._permission.by(request, board.key)
        issued = await self._registry.apply(devices.announce, by, name=asked.name, type=asked.type)
        return answers.json(Claimed(issued.record.id, issued.secret, issued.record.state), 201)
