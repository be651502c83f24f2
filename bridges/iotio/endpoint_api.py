"""`POST /api/iot.io`: set an endpoint of a connected client, within what the client declared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from gateway.access.policy import Action
from gateway.bridges.edge import bodies
from gateway.bridges.edge.values import channel_of, device_of
from gateway.bridges.iotio.endpoints import Refused
from gateway.errors import GatewayError, Invalid, NotFound
from gateway.frames import encode, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.principal import Principal
    from gateway.asking import SendCommand
    from gateway.bridges.edge.anonymous import Anonymous
    from gateway.bridges.edge.door import Door
    from gateway.bridges.iotio.link import IotIoLink

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class EndpointApi:
    """Answers `{"success": true}`, or `{"success": false, "error": word}`. `link(device)`: the
    client's connection.
    """

    def __init__(
        self,
        *,
        door: Door,
        send: SendCommand,
        link: Callable[[str], IotIoLink | None],
        anonymous: Anonymous,
    ) -> None:
        self._anonymous = anonymous
        self._door = door
        self._send = send
        self._link = link

    async def handle(self, request: web.Request) -> web.Response:
        try:
            await self._set(request)
        except Refused as error:
            return _answer(400, error.word)
        except NotFound:  # a device that the asker may not know of is as good as not connected
            return _answer(400, "client_not_connected")
        except GatewayError as error:
            await asyncio.sleep(error.delay)
            return _answer(error.status, error.code, message=str(error))
        return web.json_response({"success": True})

    async def _set(self, request: web.Request) -> None:
        self._door.before_body(request)
        asked = _asked(request, await bodies.read(request))
        device, endpoint = device_of(asked["clientId"]), asked["endpointId"]
        principal = self._who(request, device)
        self._door.demand(principal, Action.COMMAND, device)
        value = self._accepted(device, endpoint, asked["data"])
        await self._send(principal, device, channel_of(endpoint), to_json(value), None)

    def _who(self, request: web.Request, device: str) -> Principal:
        """Return who asks; a device that anybody may be, anybody may set."""
        if self._anonymous.asks(request):
            return self._anonymous.enter(request, device)
        return self._door.enter(request, device)

    def _accepted(self, device: str, endpoint: str, data: Any) -> Any:
        link = self._link(device)
        if link is None:
            raise Refused("client_not_connected")
        if link.endpoints is None:
            raise Refused("client_endpoints_not_initialized")
        if endpoint not in link.endpoints:
            raise Refused("endpoint_not_defined_by_client")
        return link.endpoints[endpoint].accept(data)


def _asked(request: web.Request, body: bytes) -> dict[str, Any]:
    """Return `clientId`, `endpointId` and `data`, from the query or a JSON body."""
    try:
        asked = {**request.query, **(_decode(body) if body.strip() else {})}
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("the body is not a JSON object") from None
    for key in ("clientId", "endpointId", "data"):
        if key not in asked or (key != "data" and not isinstance(asked[key], str)):
            raise Invalid(f"{key} is missing, or of a wrong type")
    return asked


def _answer(status: int, word: str, **more: str) -> web.Response:
    said = {"success": False, "error": word, **more}
    return web.Response(body=encode(said), status=status, content_type="application/json")
