"""What a device is: read by those who see it, edited by its owner as a JSON merge patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.access import abouts
from gateway.access.policy import Action
from gateway.bridges.http import answers
from gateway.bridges.http.routes import API, BODY, Route
from gateway.errors import Invalid

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.registry import Registry
    from gateway.bridges.http.authentication import Permission

ABOUT: dict[str, Any] = {
    "type": "object",
    "description": "what the convention knows, the device says and persons have set, merged",
}
PATCH: dict[str, Any] = {"type": "object", "description": "a JSON merge patch (RFC 7396)"}


class Abouts:
    """Shows and edits what is said of devices."""

    def __init__(self, registry: Registry, permission: Permission) -> None:
        self._registry = registry
        self._permission = permission

    def routes(self) -> list[Route]:
        path = f"{API}/devices/{{id}}/about"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.get,
                summary="What a device is: name, channels with units, commands",
                answer=ABOUT,
            ),
            Route(
                method="PATCH",
                path=path,
                handler=self.edit,
                summary="Edit what a device is; null takes an edit back",
                body=PATCH,
                answer=ABOUT,
            ),
            Route(
                method="DELETE",
                path=path,
                handler=self.drop,
                summary="Take all edits back",
                answer=ABOUT,
            ),
        ]

    async def get(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.READ, request.match_info["id"])
        return answers.json(self._registry.about(device.id))

    async def edit(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.MANAGE, request.match_info["id"])
        patch = _patch(request[BODY])
        await self._registry.apply(abouts.edit, self._permission.by(request), device.id, patch)
        return answers.json(self._registry.about(device.id))

    async def drop(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.MANAGE, request.match_info["id"])
        await self._registry.apply(abouts.drop_edits, self._permission.by(request), device.id)
        return answers.json(self._registry.about(device.id))


def _patch(body: bytes) -> dict[str, Any]:
    try:
        patch = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("the body is not JSON: a JSON merge patch (RFC 7396) is expected") from None
    if not isinstance(patch, dict):
        raise Invalid("a JSON object is expected: a JSON merge patch (RFC 7396)")
    return patch
