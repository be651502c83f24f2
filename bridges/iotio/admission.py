"""Admission: which device of the registry a client is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import devices
from gateway.access.policy import Action
from gateway.bridges.iotio.handshake import Refusal
from gateway.errors import GatewayError, Invalid, Unauthenticated

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.principal import Principal
    from gateway.access.registry import Registry
    from gateway.bridges.edge.anonymous import Anonymous
    from gateway.bridges.edge.door import Door
    from gateway.bridges.iotio.handshake import Hello
    from gateway.shapes import Clock


class Admission:
    """Lets clients in by the device's key: in their data, as HTTP Basic or as `?key=`.

    `anonymous`: without any, a client is let in as a device that nobody owns and of the type it
    says, which is made if there is none of that id. Any other device needs its key.
    """

    def __init__(
        self, *, door: Door, registry: Registry, clock: Clock, anonymous: Anonymous
    ) -> None:
        self._door = door
        self._registry = registry
        self._clock = clock
        self._anonymous = anonymous

    async def admit(self, hello: Hello, request: web.Request) -> Principal:
        """Return the device's principal. Raises `Refusal`, `Unauthenticated`, `Forbidden` for
        another site's page; `GatewayError` where storage fails.
        """
        principal = await self._who(hello, request)
        await self._check_type(hello, request, principal)
        return principal

    async def _who(self, hello: Hello, request: web.Request) -> Principal:
        if hello.key is None and self._anonymous.asks(request):
            return await self._nobody(hello, request)
        if hello.key is not None:
            principal = self._door.key(request, hello.device, hello.key)
        else:
            principal = self._door.enter(request, hello.device)
        if principal.device != hello.device:
            raise Unauthenticated("this key is not the device's")
        return principal

    async def _nobody(self, hello: Hello, request: web.Request) -> Principal:
        try:
            await self._anonymous.provide(hello.device, hello.type, request, name=hello.name)
        except Invalid as error:
            raise _refusal(error) from error
        return self._anonymous.enter(request, hello.device)

    async def _check_type(self, hello: Hello, request: web.Request, principal: Principal) -> None:
        """A device is of the type that the registry says; the first client of one that has none
        says it.
        """
        known = self._registry.devices[hello.device].type
        if known and known != hello.type:
            raise Refusal("client_invalid_type", f"{hello.device} is of another type")
        if not known:
            by = self._door.by(request, principal, Action.WRITE, hello.device, self._clock())
            try:
                await self._registry.apply(devices.change, by, hello.device, type=hello.type)
            except GatewayError as error:
                raise _refusal(error) from error


def _refusal(error: GatewayError) -> GatewayError:
    """Return what a client is told where the registry does not take its id or its type."""
    if "type" in error.fields:
        return Refusal("client_invalid_type", str(error))
    return Refusal("client_no_id", str(error)) if "id" in error.fields else error
