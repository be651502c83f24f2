"""Clients without a key, where the configuration lets them in: each is a device that nobody
owns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import devices
from gateway.access.principal import of_device
from gateway.access.requests import demand_same_origin
from gateway.bridges.edge.door import may_be_foreign, offer
from gateway.bridges.edge.sender import signed_in
from gateway.errors import Forbidden, Unauthenticated
from gateway.store.audit import By

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.principal import Principal
    from gateway.access.registry import Registry
    from gateway.bridges.edge.door import Door
    from gateway.shapes import Clock

MOST = 1_000  # devices without an owner, above which none is made for an anonymous client


class Anonymous:
    """Lets clients in without a key, as devices that were made for such clients.

    Those have neither owner nor key. Any other device needs its key, also one that the admins own.
    `name`: of the bridge, for the audit.
    """

    def __init__(
        self,
        *,
        door: Door,
        registry: Registry,
        clock: Clock,
        name: str,
        permitted: bool,
    ) -> None:
        self._door = door
        self._registry = registry
        self._clock = clock
        self._name = name
        self._permitted = permitted

    def asks(self, request: web.Request) -> bool:
        """Tell whether a request shows nothing, and may. Raises `Forbidden` for another site's
        page.
        """
        if not self._permitted or not self._door.shows_nothing(request):
            return False
        shown = offer(request)
        demand_same_origin(shown)
        if may_be_foreign(shown):
            raise Forbidden("a page of another site may not do this")
        return True

    def enter(self, request: web.Request, device: str) -> Principal:
        """Return a device that anybody may be; raises `Unauthenticated`, and what `signed_in`
        does.
        """
        found = self._registry.allowed_device(device)
        if found is None or found.owner is not None or found.key_hash:
            raise Unauthenticated("this device needs its key")
        return signed_in(request, of_device(found))

    async def provide(self, device: str, type_: str, request: web.Request, *, name: str) -> None:
        """Make a device unless there is one of this id; raises `Unauthenticated` where there are
        too many, `Invalid` for a wrong type.
        """
        if device in self._registry.devices:
            return
        self._demand_room()
        by = By(self._name, request.remote or "", self._clock(), demand=self._demand_room)
        await self._registry.apply(
            devices.create, by, id=device, name=name, type=type_, keyless=True
        )

    def _demand_room(self) -> None:
        if sum(each.owner is None for each in self._registry.devices.values()) >= MOST:
            raise Unauthenticated("there are too many devices without an owner")
